"""cost.*: what is paid for and not used, and what would be cheaper."""

from salambot_cli.aws.clients import AwsError
from salambot_cli.aws.databases import Cache, Database, recent_load
from salambot_cli.aws.objects import has_tiering
from salambot_cli.doctor.cloud import call_aws_once, touches_aws
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok, unknown
from salambot_cli.doctor.security import resource_names, resources_of
from salambot_cli.model.finding import Facts, Finding

CHECK = "cost.hints"
_LARGE = ("xlarge", "metal")


async def check_cost(exam: ProbeContext) -> list[Finding] | Finding:
    """Idle or oversized instances; hints where AWS has something cheaper."""
    database, cache, refusal = await resources_of(exam)
    findings: list[Finding] = []
    hints: list[str] = []
    if database is not None:
        findings += await _database(exam, database)
        hints.append("RDS: Aurora Serverless v2 follows a load that changes; stop the instance over night and weekend")
    if cache is not None:
        findings += _cache(cache)
        hints.append("ElastiCache has no stop: delete a test cluster, or take cache.t4g.micro")
    bucket = exam.value("S3_BUCKET")
    if exam.environment.placement("objects") == "s3" and bucket:
        tiering = await call_aws_once(exam, "tiering", lambda aws: has_tiering(aws, bucket))
        if tiering is False:
            hints.append(f"S3: a lifecycle rule to INTELLIGENT_TIERING suits documents that are rarely read ({bucket})")
    if exam.environment.placement("vector") == "pinecone":
        hints.append("Pinecone: a serverless index costs nothing while idle; p1 pods are closed to new customers")
    if findings:
        return findings
    if refusal is not None:
        return unknown(CHECK, "What could be saved could not be seen", why=refusal.code)
    return ok(CHECK, "Nothing stands idle", hints=hints)


async def _database(exam: ProbeContext, database: Database) -> list[Finding]:
    load = await call_aws_once(exam, f"load:{database.id}", lambda aws: recent_load(aws, database.id))
    stop = f"aws rds stop-db-instance --db-instance-identifier {database.id}"
    evidence: Facts = {"instance": database.id, "class": database.instance_class}
    if not isinstance(load, AwsError) and load.connections == 0:
        title = f"Nobody has connected to {database.id} for a week"
        return [fault("cost.idle", CHECK, title, {**evidence, "kind": "idle"}, (stop,), status="warn")]
    if any(size in database.instance_class for size in _LARGE):
        smaller = f"aws rds modify-db-instance --db-instance-identifier {database.id} --db-instance-class db.t4g.micro"
        title = f"{database.id} is a {database.instance_class}: large for development"
        return [fault("cost.idle", CHECK, title, {**evidence, "kind": "oversized"}, (smaller,), status="warn")]
    return []


def _cache(cache: Cache) -> list[Finding]:
    if not any(size in cache.node_type for size in _LARGE):
        return []
    command = (
        f"aws elasticache modify-replication-group --replication-group-id {cache.id} "
        "--cache-node-type cache.t4g.micro --apply-immediately"
    )
    evidence: Facts = {"cache": cache.id, "node_type": cache.node_type, "kind": "oversized"}
    title = f"{cache.id} is a {cache.node_type}: large for development"
    return [fault("cost.idle", CHECK, title, evidence, (command,), status="warn")]


PROBES = (
    Probe(
        CHECK,
        "cost",
        "Cost",
        check_cost,
        ("cost.idle",),
        ("aws.credentials",),
        touches_aws,
        competes=False,
        reads=resource_names,
        after=("rds.dns", "redis.dns"),
    ),
)
