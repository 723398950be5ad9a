"""An owner of its database who may not create roles: Neon, Supabase, DigitalOcean, Azure, RDS with a limited user."""

import json
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import asyncpg
import pytest

from salambot.core.database import Pool, connect, tenant_transaction
from salambot.jobs.migrate import MigrationError, migrate
from salambot.migrations import head
from tests.servers import PostgresServer


@pytest.fixture
async def limited(postgres_server: PostgresServer) -> AsyncIterator[tuple[str, str]]:
    """Return the URL of a database as its owner, who is nobody special, and the owner's name."""
    name = f"plain_{secrets.token_hex(4)}"
    postgres_server.run(f"CREATE ROLE {name} LOGIN PASSWORD 'Zz9plainPw'")
    postgres_server.run(f"CREATE DATABASE {name} OWNER {name}")
    postgres_server.run("CREATE EXTENSION vector", name)
    try:
        yield f"postgres://{name}:Zz9plainPw@127.0.0.1:{postgres_server.port}/{name}", name
    finally:
        postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")
        postgres_server.run(f"DROP ROLE {name}")


ARRIVAL = """[{"tenant": "%s", "channel": "whatsapp", "message_id": "m1", "account": "a", "party": "p",
  "recipient": "r", "kind": "text", "content": "Salam", "preview": "Salam", "sent_at": "2026-11-30T10:00:00Z",
  "traceparent": "t", "correlation_id": "c"}]"""


async def exercise(pool: Pool) -> None:
    """Do what the services do with each of the duties."""
    for tenant in ("one", "two"):
        assert await pool.fetchval("SELECT store_inbound($1)", ARRIVAL % tenant) == f'[["{tenant}", "whatsapp", "m1"]]'
        await pool.fetchval("SELECT record_audit($1, 'a', 'reply', 'ok', 't', 'c')", tenant)
    async with tenant_transaction(pool, "one") as rows:
        assert await rows.fetch("SELECT DISTINCT tenant FROM inbox") == [("one",)]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with rows.transaction():
                await rows.execute("DELETE FROM audit")
    found = await pool.fetchval("SELECT due_conversations(10, interval '-1 day')")
    assert sorted(one[0] for one in json.loads(found)) == ["one", "two"]
    assert '"pending": 2' in await pool.fetchval("SELECT inbox_load()")
    assert sorted(await pool.fetch("SELECT audit_tenants_after(0)")) == [("one",), ("two",)]
    assert await pool.fetchval("SELECT forget_inbound(now() + $1::interval, now())", timedelta(days=1)) == 2
    assert await pool.fetchval("SELECT forget_audit('one', ARRAY(SELECT generate_series(1, 9)))") == 1
    assert await pool.fetchval("SELECT forget_before(now())") == 0
    assert await pool.fetch("SELECT * FROM nearest_vectors('one', 'local', 3, ARRAY[1, 0, 0]::real[], 5)") == []


async def test_the_schema_works_without_the_right_to_create_roles(limited: tuple[str, str]) -> None:
    url, _ = limited
    assert await migrate(url) == head()
    pool = await connect(url)
    async with pool:
        await exercise(pool)
        assert await pool.fetch("SELECT tenant FROM audit") == []  # without a tenant, nothing


async def test_the_same_with_roles(database_url: str) -> None:
    pool = await connect(database_url)
    async with pool:
        await exercise(pool)


async def test_who_bypasses_row_level_security_is_told_what_an_administrator_runs(
    limited: tuple[str, str], postgres_server: PostgresServer
) -> None:
    url, name = limited
    postgres_server.run(f"ALTER ROLE {name} BYPASSRLS")
    with pytest.raises(MigrationError, match="BYPASSRLS") as told:
        await migrate(url)
    statements = str(told.value).split("`")[1]
    for statement in statements.split("; "):
        with suppress(subprocess.CalledProcessError):  # another database of this server has the roles already
            postgres_server.run(statement)
    assert await migrate(url) == head()
    pool = await connect(url)
    async with pool:
        await exercise(pool)


async def test_who_may_create_nothing_is_told_the_grant(
    limited: tuple[str, str], postgres_server: PostgresServer
) -> None:
    url, name = limited
    postgres_server.run(f"ALTER DATABASE {name} OWNER TO salambot")
    with pytest.raises(MigrationError, match="GRANT CREATE, USAGE ON SCHEMA public TO"):
        await migrate(url)
    postgres_server.run(f"GRANT CREATE, USAGE ON SCHEMA public TO {name}", name)
    assert await migrate(url) == head()
