"""`doctor --simulate`: what each check would ask, of whom, and with which permission. Nothing is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from salambot_cli.doctor.cloud import touches_aws
from salambot_cli.doctor.origins import is_from_vault
from salambot_cli.doctor.paths import CHECK as PATH
from salambot_cli.doctor.paths import SERVICES
from salambot_cli.doctor.probe import Probe
from salambot_cli.host.probe_http import host_and_port
from salambot_cli.host.public_ip import SOURCES
from salambot_cli.model.environment import Environment

_DATABASES = ("rds:DescribeDBInstances", "rds:DescribeDBClusters")
_CACHES = ("elasticache:DescribeReplicationGroups", "elasticache:DescribeCacheClusters")
_RULES = ("ec2:DescribeSecurityGroups", "ec2:GetManagedPrefixListEntries")
PERMISSIONS: dict[str, tuple[str, ...]] = {
    "aws.credentials": ("sts:GetCallerIdentity",),
    "aws.jump": ("ec2:DescribeInstances",),
    "secrets.read": ("secretsmanager:GetSecretValue", "kms:Decrypt"),
    "secrets.age": ("secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds"),
    "rds.network": (
        *_DATABASES,
        *_RULES,
        "ec2:DescribeRouteTables",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeInternetGateways",
    ),
    "rds.protocol": _DATABASES,
    "rds.storage": (*_DATABASES, "cloudwatch:GetMetricStatistics"),
    "redis.network": _CACHES,
    "s3.access": (
        "s3:ListBucket",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:GetEncryptionConfiguration",
        "s3:GetBucketPolicy",
        "kms:DescribeKey",
    ),
    "sec.exposure": (
        *_DATABASES,
        *_CACHES,
        *_RULES,
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketAcl",
        "s3:GetBucketPolicy",
    ),
    "sec.at-rest": (*_DATABASES, *_CACHES),
    "sec.trail": ("cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus"),
    "sec.credentials": (
        "sts:GetCallerIdentity",
        "iam:ListAccessKeys",
        "iam:ListAttachedUserPolicies",
        "iam:ListUserPolicies",
        "iam:GetUserPolicy",
    ),
    "cost.hints": (*_DATABASES, *_CACHES, "cloudwatch:GetMetricStatistics", "s3:GetLifecycleConfiguration"),
}
"""What each check asks AWS. Only the first of a component has to be granted: what is denied is said to be unknown."""
_WRITES = {
    "s3.access": "puts, gets and deletes TENANT/.salambot-doctor",
    "redis.access": "sets salambot:doctor-… and salambot:telemetry:doctor-… for 5 seconds, and deletes them",
    "vector.use": "writes one vector into `salambot-doctor`, and deletes it",
    "openai.access": "asks for one token, which is paid for",
    "openai.embeddings": "embeds one word, which is paid for",
    "otlp.export": "posts an empty export of each signal",
    "webhook.signature": "posts a signed webhook without entries to the local gateway",
}


@dataclass(frozen=True, slots=True)
class Question:
    """The question that one check would ask."""

    check: str
    about: str
    variables: tuple[str, ...]
    hosts: tuple[str, ...]
    permissions: tuple[str, ...]
    does: str | None
    """What it does beside reading."""

    def as_json(self) -> dict[str, object]:
        """Return the document's row."""
        return {
            "check": self.check,
            "about": self.about,
            "variables": list(self.variables),
            "hosts": list(self.hosts),
            "permissions": list(self.permissions),
            "does": self.does,
        }


def questions(probes: Sequence[Probe], environment: Environment) -> tuple[Question, ...]:
    """Say what these checks would ask in an environment."""
    return tuple(_question(probe, environment) for probe in probes)


def _question(probe: Probe, environment: Environment) -> Question:
    names = probe.variables(environment)
    permissions = PERMISSIONS.get(probe.id, ()) if touches_aws(environment) else ()
    hosts = [*_named_hosts(names, environment), *_usual_hosts(probe, environment)]
    if permissions:
        hosts += _aws_hosts(permissions, environment)
    if probe.id == "rds.network":
        hosts += [host_and_port(source)[0] for source in SOURCES]
    return Question(probe.id, probe.about, names, tuple(dict.fromkeys(hosts)), permissions, _WRITES.get(probe.id))


def _named_hosts(names: Sequence[str], environment: Environment) -> list[str]:
    hosts: list[str] = []
    for name in names:
        if is_from_vault(environment, name):
            hosts += [f"(of {name}, from Secrets Manager)"] if name.endswith("_URL") else []
        elif "://" in (value := environment.value(name) or ""):
            host, port = host_and_port(value)
            hosts += [f"{host}:{port}"] if host else []
    return hosts


def _usual_hosts(probe: Probe, environment: Environment) -> list[str]:
    return [
        ":".join(map(str, host_and_port(service.usual)))
        for service in SERVICES
        if probe.id in {service.check, PATH, "host.clock"}
        and service.usual
        and service.applies(environment)
        and not environment.value(service.variable)
    ]


def _aws_hosts(permissions: Sequence[str], environment: Environment) -> list[str]:
    from salambot_cli.aws.clients import aws_clients

    aws = aws_clients(environment)
    services = dict.fromkeys(permission.split(":")[0] for permission in permissions)
    urls = (_GLOBAL.get(name) or aws.url(_ENDPOINTS.get(name, name)) for name in services)
    return [":".join(map(str, host_and_port(url))) for url in urls]


_ENDPOINTS = {"cloudwatch": "monitoring", "secretsmanager": "secrets_manager"}
_GLOBAL = {"iam": "https://iam.amazonaws.com"}
"""Services without a region."""
