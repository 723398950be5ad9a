"""rds.*: what Postgres itself says once it is reached: login, database, privileges, schema, storage."""

from typing import TYPE_CHECKING

from salambot_cli.doctor.cloud import ask, database_of
from salambot_cli.doctor.postgres import VARIABLE, Target, connection, is_cloud, target_of
from salambot_cli.doctor.probe import Examination, Probe, fault, fine, unseen
from salambot_cli.doctor.wire import unreachable
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.outside.aws import AwsFailure
from salambot_cli.outside.aws_data import load_of
from salambot_cli.outside.network import Contact, reach_of

if TYPE_CHECKING:
    import asyncpg

    Session = asyncpg.Connection[asyncpg.Record]

_TABLES = """
select c.relname, has_table_privilege(c.oid, 'SELECT') and has_table_privilege(c.oid, 'INSERT') as ok
from pg_class c
where c.relnamespace = to_regnamespace(current_schema())
  and c.relkind in ('r', 'p')
  and not exists (select 1 from pg_depend d where d.objid = c.oid and d.deptype = 'e')
limit 500
"""
_SLOW_READ_MS = 20.0
_LOW_BURST = 20.0


async def check_login(exam: Examination) -> Finding:
    """Does Postgres let this user into this database?"""
    target, session = target_of(exam), await connection(exam)
    if target is None or not isinstance(session, BaseException):
        return fine("rds.login", "Login works")
    code = str(getattr(session, "sqlstate", "") or "")
    evidence: Facts = {"host": target.host, "user": target.user, "database": target.database, "sqlstate": code}
    message = str(session)[:300]
    return _refusal(target, code, message, {**evidence, "message": message}) or _wire(target, session)


def _wire(target: Target, error: BaseException) -> Finding:
    contact = Contact(reach_of(error), target.host, target.port, detail=f"{type(error).__name__}: {error}"[:200])
    found = unreachable("rds.login", contact, VARIABLE)
    title = f"{target.host}:{target.port} breaks off the login: {contact.detail}"
    return found or fault("rds.wrong-service", "rds.login", title, {"kind": "login", "detail": contact.detail})


def _refusal(target: Target, code: str, message: str, evidence: Facts) -> Finding | None:
    psql = f"psql -h {target.host} -p {target.port}"
    match code:
        case "28P01":
            return _bad_password(target, evidence)
        case "28000" if "no encryption" in message or "SSL off" in message:
            title = f"{target.host} lets nobody in without TLS, and POSTGRES_URL asks for none"
            return fault("rds.tls-required", "rds.login", title, evidence, _sslmode_command(target))
        case "28000" if "does not exist" in message:
            return _bad_password(target, evidence)
        case "28000" | "42501":
            return _no_privilege(target, message, evidence)
        case "3D000":
            title = f"The database {target.database} does not exist on {target.host}"
            command = f"createdb -h {target.host} -p {target.port} -U {target.user} {target.database}"
            return fault("rds.wrong-db", "rds.login", title, evidence, (command, f"{psql} -l"))
        case "53300":
            return _too_many(target, message, evidence)
        case "57P03" | "57P01" | "57P02":
            title = f"Postgres at {target.host} is starting up or shutting down"
            text = "Wait until the server takes connections."
            return fault(
                "rds.stopped",
                "rds.login",
                title,
                evidence,
                (f"pg_isready -h {target.host} -p {target.port}",),
                text=text,
            )
        case _ if code:
            title = f"Postgres at {target.host} refuses the login: {message}"
            return fault(
                "rds.no-privilege",
                "rds.login",
                title,
                {**evidence, "kind": "other"},
                text="Mend what the message names.",
            )
        case _:
            return None


def _sslmode_command(target: Target) -> tuple[str, ...]:
    return (
        f"psql 'host={target.host} port={target.port} user={target.user} dbname={target.database} sslmode=verify-full'",
    )


def _bad_password(target: Target, evidence: Facts) -> Finding:
    title = f"{target.host} refuses the password of {target.user} (or there is no such user)"
    text = (
        "A wrong password, an unknown user and an expired `VALID UNTIL` look the same from here: `\\du` as an "
        "administrator decides. Correct POSTGRES_URL (compare the secret's current version), or set a new password."
    )
    instance = target.host.split(".")[0]
    commands = (
        f"psql -h {target.host} -p {target.port} -U ADMIN -c '\\du {target.user}'",
        f"aws rds modify-db-instance --db-instance-identifier {instance} --master-user-password NEW",
    )
    return fault("rds.bad-password", "rds.login", title, evidence, commands, text=text)


def _no_privilege(target: Target, message: str, evidence: Facts) -> Finding:
    admin = f"psql -h {target.host} -p {target.port} -U ADMIN -d {target.database} -c"
    if "not permitted to log in" in message:
        kind, grant = "login", f'ALTER ROLE "{target.user}" LOGIN'
    elif "pg_hba" in message:
        kind, grant = "pg_hba", "select * from pg_hba_file_rules"
    else:
        kind, grant = "connect", f'GRANT CONNECT ON DATABASE "{target.database}" TO "{target.user}"'
    title = f"{target.user} may not enter {target.database} on {target.host}: {message}"
    return fault("rds.no-privilege", "rds.login", title, {**evidence, "kind": kind}, (f"{admin} '{grant}'",))


def _too_many(target: Target, message: str, evidence: Facts) -> Finding:
    kind = "role-limit" if "for role" in message else "database-limit" if "for database" in message else "server-limit"
    title = f"No connection is left on {target.host}: {message}"
    query = "select usename, application_name, state, count(*) from pg_stat_activity group by 1, 2, 3 order by 4 desc"
    command = f'psql -h {target.host} -p {target.port} -U ADMIN -d {target.database} -c "{query}"'
    return fault("rds.too-many-connections", "rds.login", title, {**evidence, "kind": kind}, (command,))


async def check_schema(exam: Examination) -> Finding:
    """May this user read and write what stands there, and is all of it there?"""
    import asyncpg

    target, session = target_of(exam), await connection(exam)
    if target is None or isinstance(session, BaseException):
        return unseen("rds.schema", "No session to look with")
    try:
        return await _look(exam, target, session)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        code, message = str(getattr(error, "sqlstate", "") or ""), str(error)[:300]
        evidence: Facts = {"host": target.host, "database": target.database, "sqlstate": code, "message": message}
        name = "rds.schema-missing" if code in {"42P01", "0A000", "3F000"} else "rds.no-privilege"
        return fault(name, "rds.schema", f"A query on {target.database} fails: {message}", evidence)


async def _look(exam: Examination, target: Target, session: "Session") -> Finding:
    async with session.transaction(readonly=True):
        read_only = await session.fetchval(
            "select pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on'"
        )
        schema = await session.fetchval("select current_schema()")
        rows = await session.fetch(_TABLES)
        missing = await session.fetchval(
            "select not exists (select 1 from pg_available_extensions where name = 'vector')"
        )
    evidence: Facts = {"host": target.host, "database": target.database, "schema": schema or ""}
    admin = f"psql -h {target.host} -p {target.port} -U ADMIN -d {target.database} -c"
    if read_only:
        title = f"{target.host} takes no writes: a reader endpoint, a replica or a read-only default"
        return fault("rds.read-only", "rds.schema", title, evidence)
    if schema is None:
        grant = f"{admin} 'GRANT USAGE, CREATE ON SCHEMA public TO \"{target.user}\"'"
        title = f"{target.user} may use no schema of {target.database}"
        return fault("rds.no-privilege", "rds.schema", title, {**evidence, "kind": "schema"}, (grant,))
    barred = [row["relname"] for row in rows if not row["ok"]]
    if barred:
        grant = f"{admin} 'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO \"{target.user}\"'"
        title = f"{target.user} may not read and write {', '.join(barred[:3])} in {target.database}"
        return fault(
            "rds.no-privilege", "rds.schema", title, {**evidence, "kind": "table", "tables": barred[:20]}, (grant,)
        )
    return _complete(exam, target, {row["relname"] for row in rows}, missing, evidence)


# What every revision of the schema has: a database that holds some of it and not the rest is damaged.
TABLES = frozenset({"alembic_version", "documents", "chunks", "conversations", "turns", "audit"})


def _complete(exam: Examination, target: Target, present: set[str], no_vector: bool, evidence: Facts) -> Finding:
    if no_vector and exam.environment.placement("vector") == "local":
        title = f"The extension `vector` is not installed on {target.host} (0A000)"
        command = f'psql -h {target.host} -p {target.port} -d {target.database} -c "CREATE EXTENSION vector"'
        return fault("rds.schema-missing", "rds.schema", title, {**evidence, "kind": "extension"}, (command,))
    absent = sorted(TABLES - present)
    if not absent:
        return fine("rds.schema", f"The schema of {target.database} is there", tables=len(present))
    if not TABLES & present:
        return fine(
            "rds.schema",
            f"{target.database} holds no tables of SalamBot yet: `salambot up` runs the migrations",
            tables=0,
        )
    title = f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing in {target.database}"
    return fault(
        "rds.schema-missing", "rds.schema", title, {**evidence, "kind": "table", "tables": absent}, ("salambot up",)
    )


async def check_storage(exam: Examination) -> Finding:
    """Class, storage and IOPS, and what CloudWatch measured in the last hour."""
    target = target_of(exam)
    found = await database_of(exam, target.host if target else "")
    if isinstance(found, AwsFailure):
        return unseen(
            "rds.storage", "RDS class and IOPS could not be seen", why=found.code, action="rds:DescribeDBInstances"
        )
    database, matched = found
    if database is None:
        return fine("rds.storage", "No RDS instance stands behind this host", why=matched)
    load = await ask(exam, f"load:{database.id}", lambda aws: load_of(aws, database.id))
    if isinstance(load, AwsFailure):
        return unseen(
            "rds.storage", "CloudWatch could not be seen", why=load.code, action="cloudwatch:GetMetricStatistics"
        )
    evidence: Facts = {
        "instance": database.id,
        "class": database.instance_class,
        "storage_type": database.storage_type,
        "iops": database.iops,
        "read_latency_ms": load.read_latency_ms,
        "burst_balance_percent": load.burst_balance,
    }
    slow = (load.read_latency_ms or 0) > _SLOW_READ_MS
    if slow or (load.burst_balance is not None and load.burst_balance < _LOW_BURST):
        iops = max(3000, database.iops or 0)
        command = (
            f"aws rds modify-db-instance --db-instance-identifier {database.id} --storage-type gp3 --iops {iops} "
            "--apply-immediately"
        )
        return fault("rds.slow-storage", "rds.storage", f"The storage of {database.id} is slow", evidence, (command,))
    return fine("rds.storage", f"{database.id} ({database.instance_class}, {database.storage_type}) keeps up")


_PARTS = ("postgres",)
PROBES = (
    Probe(
        "rds.login",
        "postgres",
        "Postgres: login",
        check_login,
        (
            "rds.bad-password",
            "rds.tls-required",
            "rds.wrong-db",
            "rds.no-privilege",
            "rds.too-many-connections",
        ),
        ("rds.tls",),
        is_cloud,
        parts=_PARTS,
        cheap=True,
    ),
    Probe(
        "rds.schema",
        "postgres",
        "Postgres: privileges and schema",
        check_schema,
        ("rds.schema-missing", "rds.no-privilege", "rds.read-only"),
        ("rds.login",),
        is_cloud,
        parts=_PARTS,
    ),
    Probe(
        "rds.storage",
        "postgres",
        "Postgres: storage",
        check_storage,
        ("rds.slow-storage",),
        ("rds.login", "aws.credentials"),
        is_cloud,
        parts=_PARTS,
    ),
)
