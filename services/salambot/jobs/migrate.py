"""Bring the schema to its newest revision: `python -m salambot.jobs.migrate`. Safe to run twice, or two at once."""

import asyncio
import sys
from typing import TYPE_CHECKING

import asyncpg

from salambot.core.database import CONNECT_TIMEOUT_SECONDS, DatabaseUnavailableError, postgres_url, translate_errors
from salambot.core.postgres_session import Connector, LockHeldError, Session, hold_lock
from salambot.migrations import ROLES, VERSIONS, RolesMissingError, head
from salambot_contracts.postgres_url import PostgresUrl, parse_postgres_url
from salambot_contracts.url_text import UrlError

if TYPE_CHECKING:  # their import is paid for only when there is something to do
    import sqlalchemy

LOCK = 0x5A1A_B07
"""The advisory lock that one migration holds; it goes with its connection, so a killed job leaves none behind."""
LOCK_TIMEOUT_SECONDS = 60
TABLE_TIMEOUT_SECONDS = 2
"""How long a revision waits for a locked table: other sessions queue behind the waiting lock."""
TABLE_PAUSE_SECONDS = 1.0
TABLE_TRIES = 60


class MigrationError(Exception):
    """The migration failed; the message gives the reason and the fix."""


class TableInUseError(Exception):
    """A table that a revision changes stayed locked."""


async def migrate(url: str, revision: str | None = None) -> str:
    """Bring the schema to `revision`, the newest by default, and return it; it never goes back.

    Raises MigrationError, DatabaseUnavailableError or UrlError.
    """
    wanted, parsed = revision or head(), parse_postgres_url(url)
    with translate_errors():
        session = await Connector(parsed)(timeout=CONNECT_TIMEOUT_SECONDS)
        try:
            if await _revision(session) != wanted:
                async with hold_lock(session, str(LOCK), seconds=LOCK_TIMEOUT_SECONDS):
                    await _upgrade_between_transactions(parsed, wanted)
        except LockHeldError as error:
            raise MigrationError(f"another migration is under way: {error}") from error
        finally:
            await session.close(timeout=CONNECT_TIMEOUT_SECONDS)
    return wanted


async def _revision(session: Session) -> str | None:
    if await session.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    return str(await session.fetchval("SELECT version_num FROM alembic_version"))


async def _require_vector(session: Session) -> None:
    if await session.fetchval("SELECT true FROM pg_extension WHERE extname = 'vector'"):
        return
    if not await session.fetchval("SELECT true FROM pg_available_extensions WHERE name = 'vector'"):
        raise MigrationError(
            "this Postgres has no pgvector: install the extension `vector` (0.7 or newer) on the server"
        )
    try:
        await session.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            "this user may not create the extension `vector`: run `CREATE EXTENSION vector` once as a superuser"
        ) from error


async def _require_schema(session: Session) -> None:
    """Raise MigrationError where this user may not create tables: an owner of nothing, since Postgres 15."""
    if not await session.fetchval("SELECT has_schema_privilege(current_user, 'public', 'CREATE')"):
        user = await session.fetchval("SELECT quote_ident(current_user)")
        raise MigrationError(
            f"this user may not create tables: run `GRANT CREATE, USAGE ON SCHEMA public TO {user}` once "
            "as the owner of the database"
        )


async def _upgrade_between_transactions(url: PostgresUrl, revision: str) -> None:
    """Upgrade; when a table stays locked, release the lock and retry. Raises MigrationError."""
    session = await Connector(url)(timeout=CONNECT_TIMEOUT_SECONDS)  # beside the lock's, which may be in a transaction
    try:
        await _require_vector(session)
        await _require_schema(session)
        for _ in range(TABLE_TRIES):
            try:
                return await _upgrade(url, revision)
            except TableInUseError:
                await asyncio.sleep(TABLE_PAUSE_SECONDS)
            except RolesMissingError as error:
                raise MigrationError(_statements(await session.fetchval("SELECT quote_ident(current_user)"))) from error
    finally:
        await session.close(timeout=CONNECT_TIMEOUT_SECONDS)
    raise MigrationError("a table that the migration changes is in use all the time: end long transactions, try again")


def _statements(user: str) -> str:
    roles = "; ".join(f"CREATE ROLE {role} NOLOGIN" for role in ROLES)
    return (
        "this user may not create roles, and row-level security does not bind it (BYPASSRLS): an administrator runs "
        f"`{roles}; GRANT {', '.join(ROLES)} TO {user}` once, or `ALTER ROLE {user} NOBYPASSRLS`"
    )


async def _upgrade(url: PostgresUrl, revision: str) -> None:
    """Run alembic, whose import is paid for only when there is something to do.

    Raises TableInUseError, RolesMissingError, or MigrationError in the server's own words.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    open_session = Connector(url, settings={"lock_timeout": f"{TABLE_TIMEOUT_SECONDS}s"})
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: open_session(timeout=CONNECT_TIMEOUT_SECONDS),
        poolclass=NullPool,
        # Behind a pooler the name of a prepared statement may be another client's: these have none, and are not kept.
        connect_args={"prepared_statement_cache_size": 0, "prepared_statement_name_func": str},
    )
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent).replace("%", "%%"))
    try:
        async with engine.connect() as connection:

            def run(sync_connection: "sqlalchemy.Connection") -> None:
                config.attributes["connection"] = sync_connection
                command.upgrade(config, revision)

            await connection.run_sync(run)
            await connection.commit()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == asyncpg.LockNotAvailableError.sqlstate:
            raise TableInUseError from error
        said = str(error.orig).partition(">: ")[2] or type(error.orig).__name__
        raise MigrationError(f"the server refuses a step: {said}") from error
    finally:
        await engine.dispose()


def main() -> int:
    """Migrate $POSTGRES_URL; 0 done, 1 failed."""
    try:
        print(f"schema at {asyncio.run(migrate(postgres_url()))}")  # noqa: T201 - a job speaks on standard output
    except (MigrationError, DatabaseUnavailableError, LookupError, UrlError, OSError, asyncpg.PostgresError) as error:
        print(f"migration failed: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
