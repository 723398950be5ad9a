"""Each revision leaves to the code of the version before all that it names: both versions run during an update."""

import asyncio
from itertools import pairwise

import asyncpg

from salambot.jobs.migrate import migrate
from salambot.migrations import revisions

COLUMNS = """
SELECT 'column ' || table_name || '.' || column_name || ' ' || udt_name
  || CASE WHEN is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS'
     THEN '' ELSE ' required' END
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'"""
FUNCTIONS = """
SELECT 'function ' || oid::regprocedure || ' -> ' || pg_get_function_result(oid) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')"""
KEYS = """
SELECT 'key ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u') AND conrelid <> 0"""
GRANTS = """
SELECT 'grant ' || grantee || ' ' || privilege_type || ' ' || table_name FROM information_schema.role_table_grants
WHERE table_schema = 'public' AND grantee LIKE 'salambot_%'"""


async def schema(url: str) -> set[str]:
    """Return what code may name in a database, a line each."""
    connection = await asyncpg.connect(url)
    try:
        return {row[0] for query in (COLUMNS, FUNCTIONS, KEYS, GRANTS) for row in await connection.fetch(query)}
    finally:
        await connection.close()


async def test_nothing_that_the_version_before_uses_goes_away(empty_database: str) -> None:
    steps = []
    for revision in revisions():
        await migrate(empty_database, revision)
        steps.append((revision, await schema(empty_database)))
    assert any(line.startswith("function record_exchange(") for line in steps[-1][1])
    for (_, before), (revision, after) in pairwise(steps):
        assert before - after == set(), f"revision {revision} takes away what the version before uses"
        known = {line.split()[1].partition(".")[0] for line in before if line.startswith("column ")}
        demanded = {line for line in after - before if line.endswith(" required")}
        new_demands = {line for line in demanded if line.split()[1].partition(".")[0] in known}
        assert new_demands == set(), f"revision {revision} demands what the version before does not write"


async def test_a_table_in_use_is_waited_for_without_keeping_others_from_it(empty_database: str) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE audit%'"
    await migrate(empty_database, "0004")
    long, other = [await asyncpg.connect(empty_database) for _ in range(2)]
    try:
        using = long.transaction()
        await using.start()
        await long.fetch("SELECT * FROM audit")
        migration = asyncio.create_task(migrate(empty_database, "0005"))  # its first statement alters the table
        async with asyncio.timeout(60):
            while not await other.fetchval(waiting):
                await other.fetchval("SELECT pg_sleep(0.02)")
            await other.fetch("SELECT * FROM audit")
        await using.commit()
        assert await asyncio.wait_for(migration, 60) == "0005"
    finally:
        await long.close()
        await other.close()
