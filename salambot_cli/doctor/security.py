"""sec.* in AWS: open rules, missing encryption, missing trails, long-lived credentials."""

from functools import partial

from salambot_cli.aws.clients import AwsError
from salambot_cli.aws.databases import Cache, Database
from salambot_cli.aws.network import Rule, inbound_rules
from salambot_cli.aws.objects import is_public
from salambot_cli.aws.posture import caller, trails
from salambot_cli.config.validate import insecure_urls
from salambot_cli.doctor import postgres, redis
from salambot_cli.doctor.cloud import cache_of, call_aws_once, database_of, touches_aws
from salambot_cli.doctor.connection_findings import is_url
from salambot_cli.doctor.probe import Probe, ProbeContext, Run, fault, ok, unknown
from salambot_cli.host.probe_http import host_and_port
from salambot_cli.host.probe_tcp import is_remote, resolve
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding

WORLD, REST, TRANSIT = "sec.exposure", "sec.at-rest", "sec.in-transit"
TRAIL, KEYS = "sec.trail", "sec.credentials"
_MAX_AGE_DAYS = 90


async def resources_of(exam: ProbeContext) -> tuple[Database | None, Cache | None, AwsError | None]:
    """Return the database and the cache of this environment, and the first refusal."""
    database: Database | None = None
    cache: Cache | None = None
    refusal: AwsError | None = None
    target, store = postgres.target_of(exam), redis.target_of(exam)
    if exam.environment.placement("postgres") == "cloud" and target is not None:
        found = await database_of(exam, target.host)
        database, refusal = (None, found) if isinstance(found, AwsError) else (found[0], refusal)
    if exam.environment.placement("redis") == "cloud" and store is not None:
        seen = await cache_of(exam, store.host)
        cache, refusal = (None, seen) if isinstance(seen, AwsError) else (seen[0], refusal)
    return database, cache, refusal


async def check_exposure(exam: ProbeContext) -> list[Finding] | Finding:
    """Does a rule or a bucket let everybody in?"""
    database, cache, refusal = await resources_of(exam)
    findings: list[Finding] = []
    for groups, port in _doors(database, cache):
        rules = await call_aws_once(exam, f"rules:{groups}", partial(inbound_rules, groups=groups))
        if isinstance(rules, AwsError):
            refusal = rules
            continue
        findings += [_open(rule, port) for rule in rules if rule.is_world and rule.covers(port)]
    bucket = exam.value("S3_BUCKET")
    if exam.environment.placement("objects") == "s3" and bucket:
        public = await call_aws_once(exam, "bucket-public", lambda aws: is_public(aws, bucket))
        if public is True:
            findings.append(_public_bucket(bucket))
        elif isinstance(public, AwsError):
            refusal = public
    if findings:
        return findings
    if refusal is not None:
        return unknown(WORLD, "Some rules could not be seen", why=refusal.code)
    return ok(WORLD, "No rule and no bucket is open to everybody")


def _doors(database: Database | None, cache: Cache | None) -> list[tuple[tuple[str, ...], int]]:
    doors = [(database.groups, database.port)] if database else []
    return [*doors, (cache.groups, 6379)] if cache and cache.groups else doors


def _open(rule: Rule, port: int) -> Finding:
    evidence: Facts = {
        "group_id": rule.group,
        "source": rule.source,
        "ports": f"{rule.ports[0]}-{rule.ports[1]}",
        "port": port,
    }
    first, last = rule.ports
    if ":" not in rule.source:
        rest = f"--protocol tcp --port {first if first == last else f'{first}-{last}'} --cidr {rule.source}"
    else:
        ports = f"FromPort={first},ToPort={last}"
        rest = f"--ip-permissions 'IpProtocol=tcp,{ports},Ipv6Ranges=[{{CidrIpv6={rule.source}}}]'"
    title = f"{rule.group} lets {rule.source} in on port {port}"
    return fault(
        "sec.open-world",
        WORLD,
        title,
        evidence,
        (f"aws ec2 revoke-security-group-ingress --group-id {rule.group} {rest}",),
    )


def _public_bucket(bucket: str) -> Finding:
    block = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
    command = f"aws s3api put-public-access-block --bucket {bucket} --public-access-block-configuration {block}"
    return fault("sec.open-world", WORLD, f"The bucket {bucket} is public", {"bucket": bucket}, (command,))


async def check_at_rest(exam: ProbeContext) -> list[Finding] | Finding:
    """Are database and cache encrypted where they lie?"""
    database, cache, refusal = await resources_of(exam)
    findings: list[Finding] = []
    if database is not None and not database.encrypted:
        name, snapshot, copy = database.id, "--db-snapshot-identifier", f"{database.id}-encrypted"
        source, key = f"--source-db-snapshot-identifier {name}-plain", "--kms-key-id alias/aws/rds"
        commands = (
            f"aws rds create-db-snapshot --db-instance-identifier {name} {snapshot} {name}-plain",
            f"aws rds copy-db-snapshot {source} --target-db-snapshot-identifier {copy} {key}",
            f"aws rds restore-db-instance-from-db-snapshot --db-instance-identifier {copy} {snapshot} {copy}",
        )
        evidence: Facts = {"instance": database.id, "storage_encrypted": False}
        findings.append(
            fault("sec.unencrypted", REST, f"The storage of {database.id} is not encrypted", evidence, commands)
        )
    if cache is not None and cache.encrypted_at_rest is False:
        seen: Facts = {"cache": cache.id, "at_rest": False, "in_transit": cache.encrypted_in_transit}
        findings.append(fault("sec.unencrypted", REST, f"The cache {cache.id} is not encrypted at rest", seen))
    if findings:
        return findings
    if refusal is not None:
        return unknown(REST, "Encryption at rest could not be seen", why=refusal.code)
    return ok(REST, "What lies in AWS is encrypted", bucket="S3 encrypts every object since 2023")


async def check_in_transit(exam: ProbeContext) -> list[Finding] | Finding:
    """Does any cloud URL that leaves this machine do without TLS?"""
    findings: list[Finding] = []
    for insecure in insecure_urls(exam.environment):
        url = exam.value(insecure.name) or ""
        if not is_url(url, ("http", "redis", "postgres", "postgresql")):
            continue
        host, port = host_and_port(url)
        try:
            addresses = await resolve(host, port)
        except OSError:
            continue
        if is_remote(addresses):
            evidence: Facts = {"variable": insecure.name, "host": host, "reason": insecure.reason}
            findings.append(
                fault(
                    "sec.unencrypted", TRANSIT, f"{insecure.name}: {insecure.reason}", evidence, text=f"{insecure.fix}."
                )
            )
    return findings or ok(TRANSIT, "What leaves this machine is encrypted")


async def check_trail(exam: ProbeContext) -> Finding:
    """Does CloudTrail record?"""
    found = await call_aws_once(exam, "trails", trails)
    if isinstance(found, AwsError):
        return unknown(TRAIL, "CloudTrail could not be seen", why=found.code, action="cloudtrail:DescribeTrails")
    if any(trail.logging for trail in found):
        return ok(TRAIL, "CloudTrail records", trails=[trail.name for trail in found])
    evidence: Facts = {"trails": [trail.name for trail in found], "region": exam.value("AWS_REGION")}
    if found:
        command = f"aws cloudtrail start-logging --name {found[0].name}"
        return fault("sec.cloudtrail-off", TRAIL, f"The trail {found[0].name} records nothing", evidence, (command,))
    commands = (
        "aws cloudtrail create-trail --name salambot --s3-bucket-name BUCKET-FOR-TRAILS --is-multi-region-trail",
        "aws cloudtrail start-logging --name salambot",
    )
    return fault("sec.cloudtrail-off", TRAIL, "No CloudTrail trail sees this region", evidence, commands)


async def check_caller(exam: ProbeContext) -> list[Finding] | Finding:
    """Root, an old key, a policy that allows everything?"""
    found = await call_aws_once(exam, "caller", caller)
    if isinstance(found, AwsError):
        if found.code in {"NoSuchEntity", "NoSuchEntityException"}:
            return ok(KEYS, "The caller is no IAM user of this account")
        return unknown(KEYS, "The caller's keys could not be seen", why=found.code, action="iam:ListAccessKeys")
    findings: list[Finding] = []
    if found.is_root:
        title = "The AWS root user is in use"
        findings.append(_weak(title, {"arn": found.arn, "kind": "root"}, ("aws configure sso",)))
    for key, age in found.key_ages_days:
        if age > _MAX_AGE_DAYS:
            commands = ("aws iam create-access-key", f"aws iam delete-access-key --access-key-id {key}")
            title = f"An access key is {age} days old"
            findings.append(_weak(title, {"key_ends_with": key[-4:], "age_days": age, "kind": "key-age"}, commands))
    for policy in found.allows_everything:
        evidence: Facts = {"policy": policy, "arn": found.arn, "kind": "policy"}
        title = f"The policy {policy} lets this caller do everything"
        text = (
            "Narrow it to what SalamBot uses: s3, secretsmanager, kms:Decrypt, and Describe* of rds, ec2, elasticache."
        )
        findings.append(fault("sec.weak-credentials", KEYS, title, evidence, text=text, status="warn"))
    return findings or ok(KEYS, "The caller's credentials are young and narrow", arn=found.arn)


def _weak(title: str, evidence: Facts, commands: tuple[str, ...]) -> Finding:
    return fault("sec.weak-credentials", KEYS, title, evidence, commands)


def _urls(environment: Environment) -> tuple[str, ...]:
    return tuple(insecure.name for insecure in insecure_urls(environment))


def _in_cloud(environment: Environment) -> bool:
    return environment.env_name == "cloud-local"


# The URLs name the resources; a silent database is no reason not to look at its rules.
_NEEDS = ("aws.credentials",)
_AFTER = ("rds.dns", "redis.dns")


def resource_names(environment: Environment) -> tuple[str, ...]:
    """Return the variables that name what stands in AWS."""
    names = ("POSTGRES_URL", "REDIS_URL", "AWS_REGION")
    return (*names, "S3_BUCKET") if environment.placement("objects") == "s3" else names


def _probe(name: str, about: str, run: Run, finds: str) -> Probe:
    return Probe(
        name,
        "security",
        about,
        run,
        (finds,),
        _NEEDS,
        touches_aws,
        seconds=20,
        competes=False,
        reads=resource_names,
        after=_AFTER,
    )


PROBES = (
    _probe(WORLD, "Open rules and buckets", check_exposure, "sec.open-world"),
    _probe(REST, "Encryption at rest", check_at_rest, "sec.unencrypted"),
    Probe(
        TRANSIT,
        "security",
        "Encryption in transit",
        check_in_transit,
        ("sec.unencrypted",),
        (),
        _in_cloud,
        competes=False,
        reads=_urls,
        after=("redis.tls", "rds.login"),
    ),
    _probe(TRAIL, "CloudTrail", check_trail, "sec.cloudtrail-off"),
    _probe(KEYS, "AWS credentials: age and width", check_caller, "sec.weak-credentials"),
)
