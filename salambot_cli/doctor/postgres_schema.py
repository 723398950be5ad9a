"""rds.*: what the services and the migration would meet in the database, judged from facts alone."""

from collections.abc import Callable

from salambot_cli.doctor.postgres import PostgresTarget
from salambot_cli.doctor.postgres_facts import DatabaseFacts
from salambot_cli.doctor.probe import fault, ok
from salambot_cli.model.finding import Facts, Finding

CHECK = "rds.schema"
TABLES = frozenset({"alembic_version", "documents", "chunks", "conversations", "turns", "audit"})
"""What every revision of the schema has: a database that holds some of it and not the rest is damaged."""
_OLDEST_VECTOR = (0, 7)
_SHORTEST = {
    "statement_timeout": 1000,
    "transaction_timeout": 1000,
    "idle_in_transaction_session_timeout": 1000,
    "lock_timeout": 20,
}
"""Milliseconds that the services' statements and transactions may take in any case."""
_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

Decide = Callable[[PostgresTarget, DatabaseFacts, Facts], Finding | None]


def judge(target: PostgresTarget, facts: DatabaseFacts) -> Finding:
    """Name the first thing that would stop the services or the migration."""
    evidence: Facts = {
        "host": target.host,
        "database": target.database,
        "schema": facts.schema or "",
        "user": target.user,
    }
    for decide in _DECISIONS:
        if (found := decide(target, facts, evidence)) is not None:
            return found
    if not facts.tables:
        title = f"{target.database} holds no tables of SalamBot yet: `salambot up` runs the migrations"
        return ok(CHECK, title, tables=0)
    return ok(CHECK, f"The schema of {target.database} is there", tables=len(facts.tables), revision=facts.revision)


def _admin(target: PostgresTarget, statement: str) -> str:
    return f"psql -h {target.host} -p {target.port} -U ADMIN -d {target.database} -c '{statement}'"


def _read_only(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    if not (facts.standby or facts.read_only):
        return None
    title = f"{target.host} takes no writes: a reader endpoint, a replica or a read-only default"
    kind = "standby" if facts.standby else "default"
    commands = (
        () if facts.standby else (_admin(target, f'ALTER ROLE "{target.user}" RESET default_transaction_read_only'),)
    )
    return fault("rds.read-only", CHECK, title, {**evidence, "kind": kind}, commands)


def _timeout(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    held = (facts.statement_timeout, facts.transaction_timeout, facts.idle_timeout, facts.lock_timeout)
    for (name, least), value in zip(_SHORTEST.items(), held, strict=True):
        if 0 < milliseconds(value) < least:
            return too_short(target, value, evidence, name)
    return None


def too_short(target: PostgresTarget, timeout: str, evidence: Facts, name: str = "statement_timeout") -> Finding:
    """Say that the server ends queries before they can be done."""
    title = f"{name} of {target.user} is {timeout}: Postgres ends whatever takes longer"
    text = "Take the setting back to at least 30 s: it stands on the role, the database, or the parameter group."
    commands = (
        _admin(target, f'ALTER ROLE "{target.user}" RESET {name}'),
        _admin(target, f'ALTER DATABASE "{target.database}" RESET {name}'),
    )
    about: Facts = {**evidence, "kind": name.replace("_", "-"), name: timeout}
    return fault("rds.statement-timeout", CHECK, title, about, commands, text=text)


def milliseconds(setting: str) -> int:
    """Read a time as Postgres shows it, such as `30s`; 0 says that there is none."""
    number = setting.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(number) * _UNITS.get(setting[len(number) :] or "ms", 1) if number.isdigit() else 0


def _encoding(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    if facts.encoding == "UTF8":
        return None
    title = f"{target.database} stores text as {facts.encoding}, which cannot hold Arabic"
    text = "Make a database with ENCODING UTF8 (from template0) and name it in POSTGRES_URL."
    command = _admin(target, "CREATE DATABASE salambot ENCODING UTF8 TEMPLATE template0")
    return fault("rds.wrong-encoding", CHECK, title, {**evidence, "encoding": facts.encoding}, (command,), text=text)


def _schema(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    looked_in = {name.strip().strip('"').replace("$user", target.user) for name in facts.search_path.split(",")}
    missed = bool(facts.homes) and looked_in.isdisjoint(facts.homes)
    if facts.schema is None and not missed:
        title = f"{target.user} may use no schema of {target.database} (search_path {facts.search_path})"
        command = _admin(target, f'GRANT USAGE, CREATE ON SCHEMA public TO "{target.user}"')
        return fault("rds.no-privilege", CHECK, title, {**evidence, "kind": "schema"}, (command,))
    if facts.homes and facts.schema not in facts.homes:
        home = facts.homes[0]
        leads = facts.schema or "no schema that is there"
        title = f"The tables stand in schema {home}, and search_path ({facts.search_path}) leads to {leads}"
        command = _admin(target, f'ALTER ROLE "{target.user}" SET search_path = {home}, public')
        about: Facts = {**evidence, "kind": "search-path", "homes": list(facts.homes), "search_path": facts.search_path}
        return fault("rds.schema-missing", CHECK, title, about, (command,))
    return None


def _locks(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    if not facts.holders:
        return None
    holder = facts.holders[0]
    who = f"pid {holder.pid}" + (f" ({holder.application})" if holder.application else "")
    title = f"{who} has held the table {holder.table} for {holder.seconds} s: whoever needs it waits"
    text = "End the transaction in the program that holds it; ending it from here loses what it did not commit."
    about: Facts = {**evidence, "kind": "lock", "pid": holder.pid, "table": holder.table, "seconds": holder.seconds}
    return fault("rds.locked", CHECK, title, about, (_admin(target, "SELECT * from pg_stat_activity"),), text=text)


def _extension(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    if facts.installed is None and facts.available is None:
        title = f"The Postgres at {target.host} has no pgvector: the extension `vector` is not on the server (0A000)"
        text = "Use a Postgres that brings pgvector 0.7 or newer (RDS has it since 15.2), or install it on the server."
        return fault("rds.schema-missing", CHECK, title, {**evidence, "kind": "extension"}, text=text)
    version = facts.installed or facts.available or ""
    if _version(version) < _OLDEST_VECTOR:
        title = f"The extension `vector` on {target.host} is {version}; 0.7 or newer is needed"
        command = _admin(target, "ALTER EXTENSION vector UPDATE")
        return fault("rds.schema-missing", CHECK, title, {**evidence, "kind": "extension-version"}, (command,))
    if facts.installed is None and not facts.creates_extensions:
        title = f"The extension `vector` is not in {target.database}, and {target.user} may not create it"
        command = _admin(target, "CREATE EXTENSION vector")
        return fault("rds.no-privilege", CHECK, title, {**evidence, "kind": "extension"}, (command,))
    return None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _barred(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    barred = [table.name for table in facts.tables if not table.usable]
    if not barred:
        return None
    names = ", ".join(barred)
    grant = f'GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO "{target.user}"'
    title = f"{target.user} may not read and write {', '.join(barred[:3])} in {target.database}"
    about: Facts = {**evidence, "kind": "table", "tables": barred[:20]}
    return fault("rds.no-privilege", CHECK, title, about, (_admin(target, grant),))


def _absent(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    present = {table.name for table in facts.tables}
    absent = sorted((TABLES | facts.expected) - present) or list(facts.lost_columns)
    if not absent or not TABLES & present:
        return None
    title = f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing in {target.database}"
    about: Facts = {**evidence, "kind": "table", "tables": absent}
    text = "The schema says that it is complete, and it is not: restore a backup, or start with an empty database."
    return fault("rds.schema-missing", CHECK, title, about, ("salambot up",), text=text)


def _revision(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    """Tables of ours without a revision: the next migration would begin from nothing, and fail."""
    present = {table.name for table in facts.tables if table.usable}
    if facts.revision is not None or facts.holders or not {"alembic_version", "documents"} <= present:
        return None
    title = f"The tables of {target.database} are there, and alembic_version holds no revision: no migration can run"
    text = "Restore a backup of this database, or write back the revision that it had."
    about: Facts = {**evidence, "kind": "revision", "tables": sorted(present)[:20]}
    return fault("rds.schema-missing", CHECK, title, about, text=text)


def _row_security(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    if facts.row_security:
        return None
    title = f"row_security is off for {target.user}: Postgres refuses every query that a policy would narrow (42501)"
    commands = (
        _admin(target, f'ALTER ROLE "{target.user}" RESET row_security'),
        _admin(target, f'ALTER DATABASE "{target.database}" RESET row_security'),
    )
    text = "Take the setting back: the services' queries are narrowed to one tenant by these policies."
    about: Facts = {**evidence, "kind": "row-security"}
    return fault("rds.row-security", CHECK, title, about, commands, text=text)


def _newer(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    if not (facts.revision and facts.head and facts.revision > facts.head):
        return None
    title = f"The schema of {target.database} is at revision {facts.revision}, newer than this SalamBot's {facts.head}"
    text = "Update SalamBot to the version that made this schema, or use another database: a schema never goes back."
    about: Facts = {**evidence, "kind": "newer", "revision": facts.revision, "head": facts.head}
    return fault("rds.schema-newer", CHECK, title, about, ("pip install --upgrade salambot",), text=text)


def _tenant(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    if facts.tenant_error is None:
        return None
    title = f"{target.user} may not enter a tenant's transaction: {facts.tenant_error}"
    text = (
        "Every transaction of the services begins so. After a restore the roles and their members have to be made "
        "again."
    )
    statements = ["GRANT salambot_tenant TO " + f'"{target.user}"']
    if not facts.has_tenant_role:
        statements.insert(0, "CREATE ROLE salambot_tenant NOLOGIN")
    commands = tuple(_admin(target, statement) for statement in statements)
    about: Facts = {**evidence, "kind": "tenant-role", "role": "salambot_tenant", "message": facts.tenant_error}
    return fault("rds.no-privilege", CHECK, title, about, commands, text=text)


def _policies(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    off = [table.name for table in facts.tables if table.policies_off]
    if not off:
        return None
    title = f"Row-level security is off on {', '.join(off[:3])}: a tenant sees the rows of others"
    commands = tuple(_admin(target, f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY") for name in off[:5])
    return fault("rds.row-security", CHECK, title, {**evidence, "kind": "row-security", "tables": off[:20]}, commands)


def _migration(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    """Would the migration that `up` runs be refused? Asked only where there is one to run."""
    if facts.head and facts.revision == facts.head:
        return None
    others = [table.name for table in facts.tables if not table.ours]
    if others:
        title = f"{', '.join(others[:3])} belong to another role than {target.user}, who cannot migrate them"
        command = _admin(target, f'ALTER TABLE {others[0]} OWNER TO "{target.user}"')
        about: Facts = {**evidence, "kind": "owner", "tables": others[:20]}
        return fault("rds.no-privilege", CHECK, title, about, (command,))
    if not facts.creates_tables:
        title = f"{target.user} may not create tables in {target.database}: `salambot up` cannot migrate"
        command = _admin(target, f'GRANT CREATE, USAGE ON SCHEMA public TO "{target.user}"')
        return fault("rds.no-privilege", CHECK, title, {**evidence, "kind": "create"}, (command,))
    if not facts.creates_roles and not facts.tables and not facts.has_tenant_role:
        return _no_roles(target, facts, evidence)
    return None


def _no_roles(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding:
    title = f"{target.user} may not create roles (CREATEROLE)"
    grant = f'GRANT salambot_tenant, salambot_retention, salambot_delivery TO "{target.user}"'
    roles = (
        "CREATE ROLE salambot_tenant NOLOGIN; CREATE ROLE salambot_retention NOLOGIN; CREATE ROLE "
        "salambot_delivery NOLOGIN"
    )
    commands = (_admin(target, roles), _admin(target, grant))
    if facts.bypasses:
        title = f"{title}, and row-level security does not bind it: `salambot up` cannot migrate"
        return fault("rds.no-privilege", CHECK, title, {**evidence, "kind": "roles"}, commands)
    title = f"{title}: tenants are kept apart by a setting of each transaction, not by a role"
    text = "It works so; with the roles, made once by an administrator before the first start, it is stricter."
    return fault("rds.no-privilege", CHECK, title, {**evidence, "kind": "roles"}, commands, text=text, status="warn")


_FEW_SLOTS = 4


def _slots(target: PostgresTarget, facts: DatabaseFacts, evidence: Facts) -> Finding | None:
    if facts.slots - facts.used >= _FEW_SLOTS:
        return None
    title = f"{facts.used} of {facts.slots} connections of {target.host} are taken: the services' pools will not fit"
    query = "SELECT usename, application_name, state, count(*) from pg_stat_activity group by 1, 2, 3 order by 4 desc"
    about: Facts = {**evidence, "kind": "nearly-full", "used": facts.used, "slots": facts.slots}
    command = f'psql -h {target.host} -p {target.port} -U ADMIN -d {target.database} -c "{query}"'
    return fault("rds.too-many-connections", CHECK, title, about, (command,), status="warn")


_DECISIONS: tuple[Decide, ...] = (
    _read_only,
    _timeout,
    _encoding,
    _schema,
    _locks,
    _extension,
    _newer,
    _barred,
    _absent,
    _revision,
    _row_security,
    _tenant,
    _policies,
    _migration,
    _slots,
)
