"""Bring the schema to its newest revision: `python -m salambot.jobs.migrate`. Safe to run twice, or two at once."""

import asyncio
import sys

import asyncpg

from salambot.database import CONNECT_TIMEOUT_S, DatabaseUnavailable, postgres_url, unavailable_as_problem
from salambot.migrations import VERSIONS, head

LOCK = 0x5A1A_B07
"""The advisory lock that one migration holds; it goes with its connection, so a killed job leaves none behind."""
LOCK_TIMEOUT_S = 60


class MigrationError(Exception):
    """The schema could not be brought forward; the message says why and what mends it."""


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
                await _upgrade(url, wanted)
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


async def _upgrade(url: str, revision: str) -> None:
    """Run alembic, whose import is paid for only when there is something to do."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S),
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
