"""Postgres: one small pool a process, and transactions that see the rows of one tenant only."""

import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:  # jobs that only migrate should not pay for a web framework
    from fastapi import FastAPI, Request, Response

    from salambot.problems import Problem

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 15.0
_SESSION = {
    "application_name": "salambot",
    "timezone": "UTC",
    "hnsw.iterative_scan": "strict_order",  # a search goes on until enough rows of the tenant are found
    "hnsw.ef_search": "40",
    "jit": "off",
}
_COMPOSE_SECRETS = Path("/run/secrets")
_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server died between two messages of one query
    OSError,
    TimeoutError,
)
"""What a lost, stopping or silent server looks like; a mistake in SQL is none of these."""


class DatabaseUnavailable(Exception):  # noqa: N818 - it is a state of the world, not a mistake
    """Postgres does not answer, is stopping, or took too long."""


async def connect(url: str, *, ca: Path | None = None, max_size: int = 8) -> Pool:
    """Return a pool for `url`, whose `sslmode` and `sslrootcert` are honoured; `ca` demands a verified certificate.

    No connection is opened yet: a service starts while Postgres is away, and finds it again after a restart.
    """
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        reset=_keep_session,
        ssl=ssl.create_default_context(cafile=ca) if ca is not None else None,
        server_settings=_SESSION,
    )


async def _keep_session(connection: object) -> None:
    """Skip asyncpg's reset, a round trip: our transactions change local settings only."""


@asynccontextmanager
async def tenant_transaction(pool: Pool, tenant: str) -> AsyncIterator[Connection]:
    """Open a transaction in which row-level security shows and accepts only the rows of `tenant`.

    Raises DatabaseUnavailable when Postgres cannot serve it.
    """
    if not _TENANT.fullmatch(tenant):
        raise ValueError("not a tenant's name")
    with unavailable_as_problem():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection, connection.transaction():
            await connection.execute("SELECT enter_tenant($1)", tenant)
            yield connection


async def is_reachable(pool: Pool) -> bool:
    """Tell whether Postgres answers a trivial query, for a readiness check."""
    try:
        with unavailable_as_problem():
            return bool(await pool.fetchval("SELECT true", timeout=2) is True)
    except DatabaseUnavailable:
        return False


class unavailable_as_problem:  # noqa: N801 - used as a statement: `with unavailable_as_problem():`
    """Turn the many faces of a lost server into one DatabaseUnavailable."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, _UNREACHABLE):
            raise DatabaseUnavailable("postgres is not available") from error


def unavailable() -> "Problem":
    """Return the problem that names Postgres."""
    from salambot.problems import Problem

    return Problem(503, "postgres_unavailable", "postgres does not answer.", headers={"Retry-After": "1"})


async def _answer_unavailable(_: "Request", __: Exception) -> "Response":
    return unavailable().response()


def install(app: "FastAPI") -> None:
    """Answer a DatabaseUnavailable as a 503 problem that names Postgres."""
    app.add_exception_handler(DatabaseUnavailable, _answer_unavailable)


def postgres_url() -> str:
    """Read POSTGRES_URL for a job, from the environment or a Compose secret, without the cost of a settings class."""
    secret = _COMPOSE_SECRETS / "POSTGRES_URL"
    url = os.environ.get("POSTGRES_URL") or (secret.read_text().strip() if secret.is_file() else "")
    if not url:
        raise LookupError("POSTGRES_URL is not set")
    return url
