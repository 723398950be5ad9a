"""The variables with which Terraform or CloudFormation make the cloud parts of an environment: pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from salambot_cli.components.postgres import DATABASE_CLASS
from salambot_cli.components.redis import CACHE_NODE_TYPE
from salambot_cli.config.endpoints import host_and_port
from salambot_cli.config.secret_references import SecretReference
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError

Value = str | int | bool

_PARAMETERS: Mapping[str, str] = {
    "tenant": "Tenant",
    "developer_cidr": "DeveloperCidr",
    "database": "Database",
    "database_class": "DatabaseClass",
    "database_port": "DatabasePort",
    "cache": "Cache",
    "cache_node_type": "CacheNodeType",
    "objects": "Objects",
    "bucket_name": "BucketName",
    "secrets": "Secrets",
    "secret_name": "SecretName",
}
"""Terraform's name -> CloudFormation's, where the region is not a parameter."""
_MAX_LENGTH = 40
"""Of an ElastiCache group."""
_CHOSEN: Mapping[str, Value] = {"database_class": DATABASE_CLASS, "cache_node_type": CACHE_NODE_TYPE}
"""Values that no environment contains: a user's choice, or this default."""


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """Terraform variables of the cloud resources. `developer_cidr` is absent when the address is unknown."""

    variables: Mapping[str, Value]

    def parameters(self) -> list[dict[str, str]]:
        """Return the same as CloudFormation's parameters."""
        return [
            {"ParameterKey": key, "ParameterValue": _text(self.variables[name])}
            for name, key in _PARAMETERS.items()
            if name in self.variables
        ]


def resource_name(environment: Environment, most: int) -> str:
    """Name what an environment has in AWS or a cluster, where a name has at most so many characters.

    Raises:
        ConfigurationError: the tenant's name is too long for that.
    """
    name = f"salambot-{environment.tenant}"
    if len(name) > most:
        raise ConfigurationError(
            f"the name {name} is too long: its tenant may have {most - len(name) + len(environment.tenant)} characters",
            f"it has {len(environment.tenant)}",
            "salambot config show",
        )
    return name


def infrastructure(environment: Environment, address: str | None) -> Infrastructure:
    """Return what the placements need in AWS; only the developer's `address` may reach the database.

    Raises:
        ConfigurationError: AWS takes no name of this length.
    """
    resource_name(environment, _MAX_LENGTH)
    _, port = host_and_port(environment.value("POSTGRES_URL") or "", 5432)
    variables: dict[str, Value] = {
        "tenant": environment.tenant,
        "region": environment.aws.region or environment.value("AWS_REGION") or "eu-west-1",
        "database": environment.placement("postgres") == "cloud",
        **_CHOSEN,
        "database_port": port,
        "cache": environment.placement("redis") == "cloud",
        "objects": environment.placement("objects") == "s3",
        "bucket_name": environment.value("S3_BUCKET") or f"salambot-kb-{environment.tenant}",
        "secrets": environment.placement("secrets") == "aws",
        "secret_name": _secret_name(environment),
    }
    if address is not None:
        variables["developer_cidr"] = f"{address}/32"
    return Infrastructure(variables)


def keep_user_choices(
    wanted: Infrastructure, written: Mapping[str, object], parameters: Mapping[str, object]
) -> Infrastructure:
    """Keep the sizes that a person wrote into the variables of either tool, and the address while nobody knows it."""
    chosen = {
        name: value
        for name, default in _CHOSEN.items()
        for value in (written.get(name), parameters.get(_PARAMETERS[name]))
        if isinstance(value, str) and value != default
    }
    former = written.get("developer_cidr")
    known: dict[str, Value] = {"developer_cidr": former} if isinstance(former, str) else {}
    return Infrastructure({**known, **wanted.variables, **chosen})


def _secret_name(environment: Environment) -> str:
    configured = environment.aws.secret
    if isinstance(configured, str):
        return configured
    places = [SecretReference.parse(text).secret_id for text in (configured or {}).values()]
    return places[0] if places else f"salambot/{environment.tenant}"


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
