"""Postgres: one small pool a process, and transactions that see the rows of one tenant only."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from salambot.core.postgres_session import Connector, Session
from salambot_contracts.postgres_url import parse_postgres_url

if TYPE_CHECKING:  # jobs that only migrate should not pay for a web framework
    from fastapi import FastAPI, Request, Response

    from salambot.core.problems import Problem

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

CONNECT_TIMEOUT_SECONDS = 5.0
ACQUIRE_TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 15.0
MIN_POOL_SIZE = 3
"""What a URL says is taken down to this: a seed holds one connection while it works on others."""
_COMPOSE_SECRETS = Path("/run/secrets")
_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # SQLSTATE class 53: disk full, out of memory, too many connections
    asyncpg.PostgresSystemError,  # class 58: its disk or its files fail
    asyncpg.ReadOnlySQLTransactionError,  # a replica after a failover; a cloud's server whose disk is full
    asyncpg.TransactionRollbackError,  # class 40: the same again may work
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server died between two messages of one query
    OSError,
    TimeoutError,
)
"""What a lost, stopping, full or silent server looks like; a mistake in SQL is none of these."""


class DatabaseUnavailableError(Exception):
    """Postgres does not answer, is stopping, has no room or took too long."""


async def connect(url: str, *, ca: Path | None = None, max_size: int = 8) -> Pool:
    """Return a pool for `url`; `ca` demands a certificate that it verifies.

    No connection is opened yet: a service starts while Postgres is away, and finds it again after a restart.

    Raises:
        UrlError: the URL cannot be used.
        OSError, ssl.SSLError: a certificate file cannot be used.
    """
    parsed = parse_postgres_url(url)
    pool: Pool = await asyncpg.create_pool(
        connect=cast("Any", Connector(parsed, ca)),  # asyncpg's stubs have another signature than asyncpg calls
        connection_class=Session,
        min_size=0,
        max_size=min(max_size, max(parsed.pool_size or max_size, MIN_POOL_SIZE)),
        timeout=parsed.connect_timeout or CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        reset=_keep_session,
    )
    return pool


async def _keep_session(connection: object) -> None:
    """Skip asyncpg's reset, a round trip: our transactions change local settings only."""


@asynccontextmanager
async def tenant_transaction(pool: Pool, tenant: str) -> AsyncIterator[Connection]:
    """Open a transaction in which row-level security shows and accepts only the rows of `tenant`.

    Raises DatabaseUnavailableError when Postgres cannot serve it.
    """
    if not _TENANT.fullmatch(tenant):
        raise ValueError("not a tenant's name")
    with translate_errors():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection, connection.transaction():
            await connection.execute("SELECT enter_tenant($1)", tenant)
            yield connection


async def is_reachable(pool: Pool) -> bool:
    """Return whether Postgres answers a trivial query, for a readiness check."""
    try:
        with translate_errors():
            return bool(await pool.fetchval("SELECT true", timeout=2) is True)
    except DatabaseUnavailableError:
        return False


class translate_errors:  # noqa: N801 - used as a statement: `with unavailable_as_problem():`
    """Turn the many faces of a lost server into one DatabaseUnavailableError."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, _UNREACHABLE):
            raise DatabaseUnavailableError("postgres is not available") from error


def database_problem() -> "Problem":
    """Return the problem document for an unavailable Postgres."""
    from salambot.core.problems import Problem

    return Problem(503, "postgres_unavailable", "postgres does not answer.", headers={"Retry-After": "1"})


async def _answer_unavailable(_: "Request", __: Exception) -> "Response":
    return database_problem().response()


def install(app: "FastAPI") -> None:
    """Answer a DatabaseUnavailableError as a 503 problem that names Postgres."""
    app.add_exception_handler(DatabaseUnavailableError, _answer_unavailable)


def postgres_url() -> str:
    """Read POSTGRES_URL for a job, from the environment or a Compose secret, without the cost of a settings class."""
    secret = _COMPOSE_SECRETS / "POSTGRES_URL"
    url = os.environ.get("POSTGRES_URL") or (secret.read_text().strip() if secret.is_file() else "")
    if not url:
        raise LookupError("POSTGRES_URL is not set")
    return url
