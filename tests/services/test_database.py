"""Postgres: the schema's history, isolation by construction, and losing the server."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from salambot.core.database import DatabaseUnavailableError, connect, is_reachable, tenant_transaction
from salambot.jobs.migrate import MigrationError, migrate
from salambot.migrations import VERSIONS, head
from tests.servers import PostgresServer


def test_head_is_what_alembic_calls_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    assert ScriptDirectory.from_config(config).get_heads() == [head()]


async def test_migrations_at_once_exclude_each_other(empty_database: str) -> None:
    assert await asyncio.gather(*(migrate(empty_database) for _ in range(4))) == [head()] * 4
    assert await migrate(empty_database) == head()


async def test_the_fast_path_does_not_import_alembic(database_url: str) -> None:
    code = "import sys; from salambot.jobs import migrate; migrate.main(); sys.exit('alembic' in sys.modules)"
    job = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env={"POSTGRES_URL": database_url, "PYTHONPATH": ":".join(sys.path)}
    )
    assert await job.wait() == 0


async def test_a_user_who_may_not_create_the_extension_is_told(
    postgres_server: PostgresServer, empty_database: str
) -> None:
    connection = await asyncpg.connect(empty_database)
    try:
        await connection.execute("CREATE ROLE modest LOGIN PASSWORD 'modest'")
        with pytest.raises(MigrationError, match="CREATE EXTENSION vector"):
            await migrate(empty_database.replace(f"salambot:{postgres_server.password}", "modest:modest"))
        await connection.execute("DROP ROLE modest")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "state",
    ["53000", "53100", "53200", "53300", "53400", "57014", "57P01", "57P03", "58000", "58030", "25006", "40001"],
)
async def test_a_server_that_has_no_room_or_fails_is_unavailable(database_url: str, state: str) -> None:
    pool = await connect(database_url)
    try:
        with pytest.raises(DatabaseUnavailableError):
            async with tenant_transaction(pool, "demo") as connection:
                await connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
        assert await is_reachable(pool)
    finally:
        pool.terminate()


@pytest.mark.parametrize("state", ["42601", "23505", "22003", "P0001"])
async def test_a_mistake_of_ours_is_not_taken_for_that(database_url: str, state: str) -> None:
    pool = await connect(database_url)
    try:
        with pytest.raises(asyncpg.PostgresError):
            async with tenant_transaction(pool, "demo") as connection:
                await connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
    finally:
        pool.terminate()


async def test_every_table_with_a_tenant_is_forced_into_isolation(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        open_tables = await connection.fetch(
            """
            SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
            WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
              AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"""
        )
    finally:
        await connection.close()
    assert open_tables == []


async def test_a_tenant_sees_and_writes_its_own_rows_only(database_url: str) -> None:
    pool = await connect(database_url)
    async with pool:
        async with tenant_transaction(pool, "one") as rows:
            await rows.execute("INSERT INTO index_state (tenant) VALUES ('one')")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with rows.transaction():
                    await rows.execute("INSERT INTO index_state (tenant) VALUES ('two')")
        async with tenant_transaction(pool, "two") as rows:
            assert await rows.fetch("SELECT * FROM index_state WHERE tenant = 'one' OR true") == []


async def test_the_entered_tenant_ends_with_the_transaction(database_url: str) -> None:
    pool = await connect(database_url, max_size=1)
    async with pool:
        async with tenant_transaction(pool, "one") as rows:
            assert await rows.fetchval("SELECT current_user") == "salambot_tenant"
        assert not await pool.fetchval("SELECT current_setting('salambot.tenant', true)")
        assert await pool.fetchval("SELECT current_user") == "salambot"


@pytest.mark.parametrize("name", ["", "Demo", "a'b", "a_b", "-a", "*"])
async def test_a_name_that_is_no_tenant_is_refused(database_url: str, name: str) -> None:
    pool = await connect(database_url)
    async with pool:
        with pytest.raises(ValueError, match="tenant"):
            async with tenant_transaction(pool, name):
                pass


async def test_the_pool_recovers_when_postgres_comes_back(postgres_server: PostgresServer, database_url: str) -> None:
    pool = await connect(database_url)
    async with pool:
        assert await is_reachable(pool)
        postgres_server.kill()
        try:
            assert not await is_reachable(pool)
            with pytest.raises(DatabaseUnavailableError):
                async with tenant_transaction(pool, "demo"):
                    pass
        finally:
            postgres_server.start()
        async with tenant_transaction(pool, "demo") as rows:
            assert await rows.fetchval("SELECT 1") == 1


async def test_a_service_starts_while_postgres_is_away() -> None:
    pool = await connect("postgresql://salambot:x@127.0.0.1:9/none?sslmode=disable")
    async with pool:
        assert not await is_reachable(pool)


async def test_a_verified_certificate_is_demanded(database_url: str, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    import trustme

    trustme.CA().cert_pem.write_to_path(str(ca))
    pool = await connect(f"{database_url}?sslmode=verify-full&sslrootcert={ca}")
    async with pool:
        with pytest.raises(DatabaseUnavailableError):
            async with tenant_transaction(pool, "demo"):
                pass
