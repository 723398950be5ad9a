"""rds.*: what Postgres itself says once it is reached: login, database, privileges, schema, storage."""

from salambot_cli.aws.clients import AwsError
from salambot_cli.aws.databases import recent_load
from salambot_cli.doctor.cloud import call_aws_once, database_of
from salambot_cli.doctor.connection_findings import connection_finding
from salambot_cli.doctor.postgres import VARIABLE, PostgresTarget, connection, is_cloud, target_of
from salambot_cli.doctor.postgres_facts import gather_facts
from salambot_cli.doctor.postgres_schema import judge, too_short
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok, unknown
from salambot_cli.host.probe_tcp import ConnectResult, classify_error
from salambot_cli.model.finding import Facts, Finding

_SLOW_READ_MILLISECONDS = 20.0
_LOW_BURST = 20.0


async def check_login(exam: ProbeContext) -> Finding:
    """Does Postgres let this user into this database?"""
    target, session = target_of(exam), await connection(exam)
    if target is None or not isinstance(session, BaseException):
        return ok("rds.login", "Login works")
    code = str(getattr(session, "sqlstate", "") or "")
    evidence: Facts = {"host": target.host, "user": target.user, "database": target.database, "sqlstate": code}
    message = str(session)[:300]
    return _refusal(target, code, message, {**evidence, "message": message}) or _wire(target, session)


def _wire(target: PostgresTarget, error: BaseException) -> Finding:
    if isinstance(error, TimeoutError):
        title = f"{target.host}:{target.port} speaks TLS and takes too long over the login: busy, or hanging"
        return unknown("rds.login", title, host=target.host, port=target.port)
    contact = ConnectResult(
        classify_error(error), target.host, target.port, detail=f"{type(error).__name__}: {error}"[:200]
    )
    found = connection_finding("rds.login", contact, VARIABLE)
    title = f"{target.host}:{target.port} breaks off the login: {contact.detail}"
    return found or fault("rds.wrong-service", "rds.login", title, {"kind": "login", "detail": contact.detail})


def _refusal(target: PostgresTarget, code: str, message: str, evidence: Facts) -> Finding | None:
    psql = f"psql -h {target.host} -p {target.port}"
    match code:
        case "28P01":
            return _bad_password(target, evidence)
        case "28000" if "no encryption" in message or "SSL off" in message:
            title = f"{target.host} lets nobody in without TLS, and POSTGRES_URL asks for none"
            return fault("rds.tls-required", "rds.login", title, evidence, _sslmode_command(target))
        case "28000" if "does not exist" in message or "authentication failed" in message:
            return _bad_password(target, evidence, message)
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
                text="Fix what the message names.",
            )
        case _:
            return None


def _sslmode_command(target: PostgresTarget) -> tuple[str, ...]:
    return (
        f"psql 'host={target.host} port={target.port} user={target.user} dbname={target.database} sslmode=verify-full'",
    )


def _bad_password(target: PostgresTarget, evidence: Facts, message: str = "") -> Finding:
    if "PAM" in message or "X-Amz-" in (target.url.password or ""):
        return _old_token(target, evidence)
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


def _old_token(target: PostgresTarget, evidence: Facts) -> Finding:
    """RDS checks IAM tokens by PAM: they are passwords for 15 minutes."""
    title = f"{target.host} refuses the IAM token of {target.user}: a token is good for 15 minutes"
    text = (
        "POSTGRES_URL needs a password that stays: SalamBot does not renew IAM tokens. Use a role with a password, or "
        "take a fresh token to try (and check rds-db:connect, and that the role has rds_iam)."
    )
    command = f"aws rds generate-db-auth-token --hostname {target.host} --port {target.port} --username {target.user}"
    return fault("rds.bad-password", "rds.login", title, {**evidence, "kind": "iam-token"}, (command,), text=text)


def _no_privilege(target: PostgresTarget, message: str, evidence: Facts) -> Finding:
    admin = f"psql -h {target.host} -p {target.port} -U ADMIN -d {target.database} -c"
    if "not permitted to log in" in message:
        kind, grant = "login", f'ALTER ROLE "{target.user}" LOGIN'
    elif "pg_hba" in message:
        kind, grant = "pg_hba", "select * from pg_hba_file_rules"
    else:
        kind, grant = "connect", f'GRANT CONNECT ON DATABASE "{target.database}" TO "{target.user}"'
    title = f"{target.user} may not enter {target.database} on {target.host}: {message}"
    return fault("rds.no-privilege", "rds.login", title, {**evidence, "kind": kind}, (f"{admin} '{grant}'",))


def _too_many(target: PostgresTarget, message: str, evidence: Facts) -> Finding:
    kind = "role-limit" if "for role" in message else "database-limit" if "for database" in message else "server-limit"
    title = f"No connection is left on {target.host}: {message}"
    query = "select usename, application_name, state, count(*) from pg_stat_activity group by 1, 2, 3 order by 4 desc"
    command = f'psql -h {target.host} -p {target.port} -U ADMIN -d {target.database} -c "{query}"'
    return fault("rds.too-many-connections", "rds.login", title, {**evidence, "kind": kind}, (command,))


async def check_schema(exam: ProbeContext) -> Finding:
    """Would the services and the migration find what they need, and be allowed to use it?"""
    import asyncpg

    target, session = target_of(exam), await connection(exam)
    if target is None or isinstance(session, BaseException):
        return unknown("rds.schema", "No session to look with")
    evidence: Facts = {"host": target.host, "database": target.database}
    try:
        return judge(target, await gather_facts(session))
    except asyncpg.QueryCanceledError:
        return too_short(target, "shorter than a look at the schema takes", evidence)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        code, message = str(getattr(error, "sqlstate", "") or ""), str(error)[:300]
        name = "rds.schema-missing" if code in {"42P01", "0A000", "3F000"} else "rds.no-privilege"
        about: Facts = {**evidence, "sqlstate": code, "message": message}
        return fault(name, "rds.schema", f"A query on {target.database} fails: {message}", about)


async def check_storage(exam: ProbeContext) -> Finding:
    """Class, storage and IOPS, and what CloudWatch measured in the last hour."""
    target = target_of(exam)
    found = await database_of(exam, target.host if target else "")
    if isinstance(found, AwsError):
        return unknown(
            "rds.storage", "RDS class and IOPS could not be seen", why=found.code, action="rds:DescribeDBInstances"
        )
    database, matched = found
    if database is None:
        return ok("rds.storage", "No RDS instance stands behind this host", why=matched)
    load = await call_aws_once(exam, f"load:{database.id}", lambda aws: recent_load(aws, database.id))
    if isinstance(load, AwsError):
        return unknown(
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
    slow = (load.read_latency_ms or 0) > _SLOW_READ_MILLISECONDS
    if slow or (load.burst_balance is not None and load.burst_balance < _LOW_BURST):
        iops = max(3000, database.iops or 0)
        command = (
            f"aws rds modify-db-instance --db-instance-identifier {database.id} --storage-type gp3 --iops {iops} "
            "--apply-immediately"
        )
        return fault("rds.slow-storage", "rds.storage", f"The storage of {database.id} is slow", evidence, (command,))
    return ok("rds.storage", f"{database.id} ({database.instance_class}, {database.storage_type}) keeps up")


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
        reads=(VARIABLE,),
    ),
    Probe(
        "rds.schema",
        "postgres",
        "Postgres: privileges and schema",
        check_schema,
        (
            "rds.schema-missing",
            "rds.schema-newer",
            "rds.no-privilege",
            "rds.read-only",
            "rds.statement-timeout",
            "rds.wrong-encoding",
            "rds.locked",
            "rds.row-security",
            "rds.too-many-connections",
        ),
        ("rds.login",),
        is_cloud,
        parts=_PARTS,
        reads=(VARIABLE,),
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
        reads=(VARIABLE,),
    ),
)
