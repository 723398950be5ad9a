"""Facts that Postgres tells a session of ours: gathered by reading alone, judged apart (postgres_schema)."""

import importlib.util
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

    Session = asyncpg.Connection[asyncpg.Record]

_SERVER = """
SELECT pg_is_in_recovery() as standby,
       current_setting('default_transaction_read_only') = 'on' as read_only,
       current_setting('server_encoding') as encoding,
       current_setting('statement_timeout') as statement_timeout,
       current_setting('idle_in_transaction_session_timeout') as idle_timeout,
       coalesce(current_setting('transaction_timeout', true), '0') as transaction_timeout,
       current_setting('lock_timeout') as lock_timeout,
       current_setting('row_security') = 'on' as row_security,
       current_setting('search_path') as search_path,
       current_schema() as schema,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as slots,
       (select count(*) from pg_stat_activity where backend_type = 'client backend') as used,
       (select array_agg(distinct n.nspname::text) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relname = 'alembic_version' and c.relkind = 'r') as homes
"""
_ROLE = """
SELECT r.rolcreaterole or r.rolsuper as creates_roles,
       r.rolbypassrls or r.rolsuper as bypasses,
       exists (select from pg_roles t where t.rolname = 'salambot_tenant') as has_tenant_role,
       has_database_privilege(current_database(), 'CREATE') as creates_extensions,
       coalesce(has_schema_privilege(current_user, to_regnamespace('public'), 'CREATE'), false) as creates_tables
from pg_roles r where r.rolname = current_user
"""
_EXTENSION = """
SELECT (select extversion from pg_extension where extname = 'vector') as installed,
       (select default_version from pg_available_extensions where name = 'vector') as available
"""
_TABLES = """
SELECT c.relname as name,
       pg_has_role(current_user, c.relowner, 'USAGE') as ours,
       has_table_privilege(c.oid, 'SELECT') and has_table_privilege(c.oid, 'INSERT')
         and (has_table_privilege(c.oid, 'UPDATE') and has_table_privilege(c.oid, 'DELETE')
              or c.relname = 'alembic_version') as usable,
       not c.relrowsecurity and exists (select from pg_policy p where p.polrelid = c.oid) as policies_off
from pg_class c
where c.relnamespace = to_regnamespace(current_schema())
  and c.relkind in ('r', 'p')
  and not exists (select 1 from pg_depend d where d.objid = c.oid and d.deptype = 'e')
limit 500
"""
_COLUMNS = """
SELECT c.relname || '.' || a.attname as name
from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace = to_regnamespace(current_schema()) and c.relkind in ('r', 'p')
  and a.attnum > 0 and not a.attisdropped
limit 5000
"""
_HOLDERS = """
SELECT distinct a.pid, coalesce(a.application_name, '') as application, c.relname as name,
       extract(epoch from now() - a.xact_start)::int as seconds
from pg_locks l join pg_class c on c.oid = l.relation join pg_stat_activity a on a.pid = l.pid
where l.granted and l.mode in ('AccessExclusiveLock', 'ExclusiveLock') and l.pid <> pg_backend_pid()
  and l.database = (select oid from pg_database where datname = current_database())
  and c.relnamespace = to_regnamespace(current_schema()) and c.relkind in ('r', 'p')
  and a.xact_start < now() - interval '5 seconds'
limit 20
"""


@dataclass(frozen=True, slots=True)
class Table:
    """One of our tables, as far as this user sees it."""

    name: str
    ours: bool
    usable: bool
    policies_off: bool


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Another session that holds a table for itself."""

    pid: int
    application: str
    table: str
    seconds: int


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Everything that decides whether the services can work with a database."""

    standby: bool = False
    read_only: bool = False
    encoding: str = "UTF8"
    statement_timeout: str = "0"
    idle_timeout: str = "0"
    transaction_timeout: str = "0"
    lock_timeout: str = "0"
    row_security: bool = True
    search_path: str = '"$user", public'
    schema: str | None = "public"
    slots: int = 100
    used: int = 1
    homes: tuple[str, ...] = ()
    """The schemas that hold an `alembic_version`."""
    creates_roles: bool = True
    bypasses: bool = False
    has_tenant_role: bool = True
    creates_extensions: bool = True
    creates_tables: bool = True
    installed: str | None = "0.8.0"
    """The version of the extension `vector`."""
    available: str | None = "0.8.0"
    tables: tuple[Table, ...] = ()
    columns: frozenset[str] = frozenset()
    """As `table.column`."""
    holders: tuple[LockHolder, ...] = ()
    revision: str | None = None
    tenant_error: str | None = None
    """Why a transaction cannot enter a tenant; None where it can, or where the schema is not there yet."""
    head: str = field(default_factory=lambda: head_revision() or "")
    """The newest revision of this SalamBot."""

    @property
    def expected(self) -> frozenset[str]:
        """The tables that a database of this revision has."""
        return frozenset(name.split(".")[0] for name in columns_at(self.revision))

    @property
    def lost_columns(self) -> tuple[str, ...]:
        """Columns that were dropped from the tables that are there."""
        there = {name.split(".")[0] for name in self.columns}
        return tuple(sorted(n for n in columns_at(self.revision) - self.columns if n.split(".")[0] in there))


def head_revision() -> str | None:
    """Return the newest revision that the services' code brings, by the names of its files."""
    return max((file.name[:4] for file in _migrations()), default=None)


def columns_at(revision: str | None) -> frozenset[str]:
    """Return `table.column` of what the migrations up to a revision create; none of them drops any."""
    files = [file for file in _migrations() if revision is not None and file.name[:4] <= revision]
    texts = [file.read_text(encoding="utf-8") for file in files]
    created = [
        (table, column) for text in texts for table, body in _CREATED.findall(text) for column in _OF.findall(body)
    ]
    added = [pair for text in texts for pair in _ADDED.findall(text)]
    return frozenset(f"{table}.{column}" for table, column in (*created, *added))


_CREATED = re.compile(r'CREATE TABLE (\w+) \((.*?)"""', re.DOTALL)
_OF = re.compile(r"^\s+([a-z_]+) [a-z]", re.MULTILINE)
_ADDED = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+)")


def _migrations() -> list[Path]:
    found = importlib.util.find_spec("salambot")
    places = found.submodule_search_locations if found is not None else None
    return [file for place in places or () for file in Path(place, "migrations", "versions").glob("[0-9]*_*.py")]


async def gather_facts(session: "Session") -> DatabaseFacts:
    """Ask, without changing anything. Raises asyncpg.PostgresError."""
    async with session.transaction(readonly=True):
        server = await session.fetchrow(_SERVER)
        role = await session.fetchrow(_ROLE)
        extension = await session.fetchrow(_EXTENSION)
        tables = await session.fetch(_TABLES)
        columns = await session.fetch(_COLUMNS)
        holders = await session.fetch(_HOLDERS)
    named = {row["name"]: Table(row["name"], row["ours"], row["usable"], row["policies_off"]) for row in tables}
    held = {row["name"] for row in holders}
    readable = named.get("alembic_version") is not None and "alembic_version" not in held
    facts = dict(server or {}) | dict(role or {}) | dict(extension or {})
    facts["homes"] = tuple(facts.get("homes") or ())
    return DatabaseFacts(
        **facts,
        tables=tuple(named.values()),
        columns=frozenset(row["name"] for row in columns),
        holders=tuple(LockHolder(r["pid"], r["application"], r["name"], r["seconds"] or 0) for r in holders),
        revision=await _revision(session) if readable else None,
        tenant_error=await _enter_tenant(session) if readable and not held else None,
    )


async def _revision(session: "Session") -> str | None:
    import asyncpg

    try:
        found = await session.fetchval("SELECT version_num from alembic_version")
    except asyncpg.InsufficientPrivilegeError:
        return None
    return str(found) if found is not None else None


async def _enter_tenant(session: "Session") -> str | None:
    """Begin a transaction as the services begin each of theirs, and undo it."""
    import asyncpg

    transaction = session.transaction()
    await transaction.start()
    try:
        await session.execute("SELECT enter_tenant('salambot-doctor')")
        await session.execute("SELECT 1 from documents limit 1")
    except (
        asyncpg.InsufficientPrivilegeError,
        asyncpg.UndefinedFunctionError,
        asyncpg.InvalidParameterValueError,
    ) as error:
        return str(error)[:200]
    except asyncpg.UndefinedTableError:
        return None  # named by itself
    finally:
        await transaction.rollback()
    return None
