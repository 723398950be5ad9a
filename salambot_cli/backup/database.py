"""The rows of an environment's Postgres, tenant by tenant, out of one snapshot and back in one transaction.

A row is kept as JSON, so it goes into any Postgres whose schema has the same revision: embedded, in a container, in a
cloud. The owner of the tables is bound by row-level security like everybody, and enters one tenant after the other.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from salambot_cli.model.errors import SalamBotError
from salambot_contracts.postgres_url import parse_postgres_url

if TYPE_CHECKING:
    import asyncpg

    Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_CONNECT_SECONDS = 10
_TABLE_SECONDS = 3600
_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TABLES = """
    SELECT c.relname::text AS name,
      EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'append_only') AS append_only
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1"""
_REFERENCES = """
    SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent FROM pg_constraint
    WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conrelid <> confrelid"""
_COLUMNS = """
    SELECT quote_ident(attname) AS name, attidentity <> '' AS counted FROM pg_attribute
    WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"""


@dataclass(frozen=True, slots=True)
class Rows:
    """The facts of a dump: the schema's revision, the tenants, and the number of their rows in each table."""

    revision: str
    tenants: tuple[str, ...]
    counts: dict[str, int]


async def dump_rows(url: str, folder: Path, tenants: Iterable[str]) -> Rows:
    """Write the rows of these tenants, and of those in the audit trail, as they are at one moment.

    Raises:
        SalamBotError: Postgres cannot be reached, or refuses.
    """
    async with _connected(url) as connection:
        found = tuple(sorted({*tenants, *await _audited(connection)}))
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            revision = await _revision(connection)
            counts: dict[str, int] = {}
            tables = [str(row["name"]) for row in await connection.fetch(_TABLES)]
            for tenant in filter(_TENANT.fullmatch, found):
                await connection.execute("SELECT set_config('salambot.tenant', $1, true)", tenant)
                for table in tables:
                    file = folder / tenant / f"{table}.copy"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    rows = f"SELECT to_jsonb(t) FROM {_quoted(table)} t WHERE tenant = $1"  # noqa: S608 # nosec B608 - quoted
                    done = await connection.copy_from_query(rows, tenant, output=file, timeout=_TABLE_SECONDS)
                    counts[table] = counts.get(table, 0) + _count(done)
    return Rows(revision, found, counts)


async def load_rows(url: str, folder: Path, revision: str, made_by: str) -> dict[str, int]:
    """Replace the rows of the tenants of a backup, all of them or none; return how many each table got.

    Raises:
        SalamBotError: the schema has another revision, an audit trail is there already, or Postgres refuses.
    """
    tenants = await asyncio.to_thread(_tenants_of, folder)
    async with _connected(url) as connection, connection.transaction():
        _require_revision(await _revision(connection), revision, made_by)
        kinds = {str(row["name"]): bool(row["append_only"]) for row in await connection.fetch(_TABLES)}
        order = await _parents_first(connection, kinds)
        await connection.execute("CREATE TEMPORARY TABLE restored (row jsonb) ON COMMIT DROP")
        counts: dict[str, int] = {}
        for tenant in tenants:
            await connection.execute("SELECT set_config('salambot.tenant', $1, true)", tenant)
            await _clear(connection, tenant, order, kinds)
            for table in order:
                if (file := folder / tenant / f"{table}.copy").is_file():
                    counts[table] = counts.get(table, 0) + await _load(connection, table, file)
                    await _continue_numbers(connection, table)
    return counts


def _tenants_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if _TENANT.fullmatch(path.name))


def _require_revision(here: str, wanted: str, made_by: str) -> None:
    if here == wanted:
        return
    newer = here < wanted
    why = f"its schema has the revision {wanted}, and this database {here}"
    fix = "upgrade SalamBot here, then restore" if newer else f"restore with SalamBot {made_by}, then upgrade it"
    raise SalamBotError("this backup is of another version", why, fix)


async def _audited(connection: "Connection") -> list[str]:
    import asyncpg

    try:
        async with connection.transaction(readonly=True):
            return [str(row[0]) for row in await connection.fetch("SELECT audit_tenants_after(0)")]
    except asyncpg.UndefinedFunctionError as error:
        raise SalamBotError("this database has no schema of SalamBot", str(error), "salambot up") from error


async def _revision(connection: "Connection") -> str:
    return str(await connection.fetchval("SELECT version_num FROM alembic_version"))


async def _parents_first(connection: "Connection", tables: Iterable[str]) -> list[str]:
    known = {table: set[str]() for table in tables}
    for row in await connection.fetch(_REFERENCES):
        if row["child"] in known and row["parent"] in known:
            known[row["child"]].add(row["parent"])
    return [*TopologicalSorter(known).static_order()]


async def _clear(connection: "Connection", tenant: str, order: list[str], append_only: dict[str, bool]) -> None:
    for table in reversed(order):
        name = _quoted(table)
        if not append_only[table]:
            await connection.execute(f"DELETE FROM {name} WHERE tenant = $1", tenant, timeout=_TABLE_SECONDS)  # noqa: S608 # nosec B608 - quoted
        elif await connection.fetchval(f"SELECT true FROM {name} WHERE tenant = $1 LIMIT 1", tenant):  # noqa: S608 # nosec B608 - quoted
            why = f"an audit trail is never rewritten, and {tenant} has one here"
            fix = "restore into an empty environment: salambot down --volumes, or another database"
            raise SalamBotError("this environment is in use", why, fix)


async def _load(connection: "Connection", table: str, file: Path) -> int:
    await connection.execute("TRUNCATE restored")
    await connection.copy_to_table("restored", source=file, columns=["row"], timeout=_TABLE_SECONDS)
    names = ", ".join(str(row["name"]) for row in await connection.fetch(_COLUMNS, table))
    insert = f"""
        INSERT INTO {_quoted(table)} ({names}) OVERRIDING SYSTEM VALUE
        SELECT {names} FROM restored, jsonb_populate_record(NULL::{_quoted(table)}, row)"""  # noqa: S608 # nosec B608 - quoted
    return _count(await connection.execute(insert, timeout=_TABLE_SECONDS))


async def _continue_numbers(connection: "Connection", table: str) -> None:
    """Let the next row get a number that no row of the tenant has."""
    for row in await connection.fetch(_COLUMNS, table):
        if row["counted"]:
            name = str(row["name"])
            sequence = await connection.fetchval("SELECT pg_get_serial_sequence($1, $2)", table, name.strip('"'))
            last = await connection.fetchval(f"SELECT max({name}) FROM {_quoted(table)}")  # noqa: S608 # nosec B608 - quoted
            await connection.fetchval(
                "SELECT setval($1::regclass, greatest($2, nextval($1::regclass)))", sequence, last
            )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _count(tag: str) -> int:
    return int(tag.rsplit(maxsplit=1)[-1])


@asynccontextmanager
async def _connected(url: str) -> "AsyncIterator[Connection]":
    import asyncpg

    parsed = parse_postgres_url(url)
    arguments: dict[str, Any] = parsed.connect_arguments()
    try:
        connection = await asyncpg.connect(**arguments, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        what = f"Postgres at {parsed.host} does not answer"
        raise SalamBotError(what, type(error).__name__, "salambot doctor postgres") from error
    try:
        yield connection
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SalamBotError(f"Postgres at {parsed.host} refused", str(error), "salambot doctor postgres") from error
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)
