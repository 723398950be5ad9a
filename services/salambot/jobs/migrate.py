"""Bring the schema to its newest revision: `python -m salambot.jobs.migrate`. Safe to run twice, or two at once."""

import asyncio
import sys

import asyncpg

from salambot.database import CONNECT_TIMEOUT_S, DatabaseUnavailable, postgres_url, unavailable_as_problem
from salambot.migrations import VERSIONS, head

LOCK = 0x5A1A_B07
"""The advisory lock that one migration holds; it goes with its connection, so a killed job leaves none behind."""
LOCK_TIMEOUT_S = 60
TABLE_TIMEOUT_S = 2
"""How long a revision waits for a table that is in use: whoever comes for the table meanwhile waits behind it."""
TABLE_PAUSE_S = 1.0
TABLE_TRIES = 60


class MigrationError(Exception):
    """The schema could not be brought forward; the message says why and what mends it."""


class TableInUseError(Exception):
    """A table that a revision changes was not to be had in time."""


async def migrate(url: str, revision: str | None = None) -> str:
    """Bring the schema to `revision`, the newest by default, and return it; it never goes back.

    Raises MigrationError or DatabaseUnavailable.
    """
    wanted = revision or head()
    with unavailable_as_problem():
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings={"timezone": "UTC"})
        try:
            if await _revision(connection) != wanted:
                await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
                await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
                await _require_vector(connection)
                await _upgrade_between_transactions(url, wanted)
            return wanted
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _revision(connection: "asyncpg.Connection[asyncpg.Record]") -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    return str(await connection.fetchval("SELECT version_num FROM alembic_version"))


async def _require_vector(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    if await connection.fetchval("SELECT true FROM pg_extension WHERE extname = 'vector'"):
        return
    if not await connection.fetchval("SELECT true FROM pg_available_extensions WHERE name = 'vector'"):
        raise MigrationError(
            "this Postgres has no pgvector: install the extension `vector` (0.7 or newer) on the server"
        )
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            "this user may not create the extension `vector`: run `CREATE EXTENSION vector` once as a superuser"
        ) from error


async def _upgrade_between_transactions(url: str, revision: str) -> None:
    """Upgrade; where a table is in use for long, let the others go first and try again. Raises MigrationError."""
    for _ in range(TABLE_TRIES):
        try:
            await _upgrade(url, revision)
        except TableInUseError:
            await asyncio.sleep(TABLE_PAUSE_S)
        else:
            return
    raise MigrationError("a table that the migration changes is in use all the time: end long transactions, try again")


async def _upgrade(url: str, revision: str) -> None:
    """Run alembic, whose import is paid for only when there is something to do. Raises TableInUseError."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    settings = {"lock_timeout": f"{TABLE_TIMEOUT_S}s"}
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=settings),
        poolclass=NullPool,
    )
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent).replace("%", "%%"))
    try:
        async with engine.connect() as connection:

            def run(sync_connection: object) -> None:
                config.attributes["connection"] = sync_connection
                command.upgrade(config, revision)

            await connection.run_sync(run)
            await connection.commit()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == asyncpg.LockNotAvailableError.sqlstate:
            raise TableInUseError from error
        raise
    finally:
        await engine.dispose()


def main() -> int:
    """Migrate $POSTGRES_URL; 0 done, 1 failed."""
    try:
        print(f"schema at {asyncio.run(migrate(postgres_url()))}")  # noqa: T201 - a job speaks on standard output
    except (MigrationError, DatabaseUnavailable, LookupError, asyncpg.PostgresError) as error:
        print(f"migration failed: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
