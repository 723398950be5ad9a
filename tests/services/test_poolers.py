"""Postgres behind a real PgBouncer that hands out a server for a transaction only, as providers' poolers do."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import asyncpg
import pytest

from salambot.core.database import connect, is_reachable, tenant_transaction
from salambot.core.postgres_session import Connector, LockHeldError, hold_lock
from salambot.jobs.migrate import migrate
from salambot.migrations import head
from salambot_cli.host.ports import free_port
from salambot_contracts.postgres_url import parse_postgres_url
from tests.servers import PostgresServer

pytestmark = pytest.mark.pgbouncer
_NOBODY = 65534


def _pooler(folder: Path, server: PostgresServer, mode: str, size: int) -> tuple[list[str], int]:
    port = free_port()
    (folder / "users").write_text(f'"salambot" "{server.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = scram-sha-256\nauth_file = {folder}/users\npool_mode = {mode}\n"
        f"default_pool_size = {size}\nunix_socket_dir =\nlogfile = {folder}/log\nserver_lifetime = 60\n"
    )
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    return [str(program), "-q", str(folder / "pgbouncer.ini")], port


@pytest.fixture(
    params=[("transaction", 4), ("transaction", 2), ("session", 20)], ids=["transaction", "tight", "session"]
)
def pooled_url(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    empty_database: str,
) -> Iterator[str]:
    """Return the URL of an empty database by way of a pooler; nothing in it says that there is one."""
    mode, size = request.param
    folder = Path(mkdtemp(prefix="salambot-pgbouncer-"))  # not below a folder that nobody may enter
    folder.chmod(0o755)
    command, port = _pooler(folder, postgres_server, mode, size)
    as_nobody = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    if as_nobody:
        shutil.chown(folder, _NOBODY, _NOBODY)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_nobody)
    url = empty_database.replace(f":{postgres_server.port}/", f":{port}/")
    try:
        asyncio.run(_wait_for(url))
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(folder)


async def _wait_for(url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                session = await Connector(parse_postgres_url(url))(timeout=5)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
            else:
                return await session.close()


async def test_the_pooler_is_noticed(pooled_url: str, empty_database: str) -> None:
    pooled, direct = [await Connector(parse_postgres_url(url))() for url in (pooled_url, empty_database)]
    try:
        assert (pooled.is_pooled, direct.is_pooled) == (True, False)
        assert await direct.fetchval("SHOW hnsw.ef_search") == await pooled.fetchval("SHOW hnsw.ef_search") == "40"
    finally:
        await pooled.close()
        await direct.close()


async def test_migrations_at_once_through_a_pooler(pooled_url: str, request: pytest.FixtureRequest) -> None:
    at_once = 1 if "tight" in request.node.name else 3  # each needs two servers
    assert await asyncio.gather(*(migrate(pooled_url) for _ in range(at_once))) == [head()] * at_once
    assert await migrate(pooled_url) == head()


async def test_many_at_once_see_their_own_tenant_and_no_statement_of_another(pooled_url: str) -> None:
    await migrate(pooled_url)
    first, second = await connect(pooled_url, max_size=6), await connect(pooled_url, max_size=6)

    async def work(number: int) -> tuple[str, int, int]:
        pool, tenant = (first, second)[number % 2], f"tenant{number}"
        async with tenant_transaction(pool, tenant) as rows:
            await rows.execute("INSERT INTO index_state (tenant, documents) VALUES ($1, $2)", tenant, number)
        echoed = await pool.fetchval(f"SELECT $1::int + {number % 7}", number)
        async with tenant_transaction(pool, tenant) as rows:
            (seen,) = await rows.fetch("SELECT tenant, documents FROM index_state")
        return seen["tenant"], seen["documents"], echoed

    async with first, second:
        assert await is_reachable(first)
        done = await asyncio.gather(*(work(number) for number in range(60)))
    assert done == [(f"tenant{number}", number, number + number % 7) for number in range(60)]


async def test_a_lock_is_held_through_a_pooler_until_it_is_let_go(pooled_url: str) -> None:
    one, other = [await Connector(parse_postgres_url(pooled_url))() for _ in range(2)]
    waited: list[bool] = []
    try:
        async with hold_lock(one, "42", seconds=1):
            with pytest.raises(LockHeldError):
                async with hold_lock(other, "42", seconds=0.2, on_wait=lambda: waited.append(True)):
                    pytest.fail("two hold it")
        async with hold_lock(other, "42", seconds=1):
            pass
        async with hold_lock(one, "43", shared=True, seconds=1), hold_lock(other, "43", shared=True, seconds=1):
            pass
    finally:
        await one.close()
        await other.close()
    assert waited == [True]


async def test_no_setting_is_left_behind_for_the_next_client(pooled_url: str) -> None:
    pool = await connect(pooled_url, max_size=4)
    async with pool:
        await asyncio.gather(*(pool.fetchval("SELECT pg_sleep(0.02), $1::int", n) for n in range(8)))
    stranger = await asyncpg.connect(pooled_url, statement_cache_size=0)
    try:
        found = await stranger.fetchrow(
            "SELECT current_setting('jit') AS jit, count(*) AS held FROM pg_prepared_statements"
        )
    finally:
        await stranger.close()
    assert found is not None
    assert dict(found) == {"jit": "on", "held": 0}
