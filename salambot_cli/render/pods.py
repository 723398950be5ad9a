"""Contents and network peers of each pod of the Kubernetes target; pure, from the same tables as Compose."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from salambot_cli.config.endpoints import host_and_port
from salambot_cli.config.secret_references import SecretReference
from salambot_cli.config.service_variables import services_reading, variables_for
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import DEFAULT_PORTS, SERVICES, Component, Program
from salambot_cli.render.compose import local_parts

WEBHOOKS_PORT = 8090
PORTS: Mapping[Program, int] = {"worker": 8084, **{name: DEFAULT_PORTS[name] for name in SERVICES}}
STORE_PORTS: Mapping[Component, int] = {"postgres": 5432, "redis": 6379}
INSIDE = "/run/salambot"
"""Mount point of public files in pods and containers."""
_FIXED: Mapping[Program, Mapping[str, str]] = {
    # As in the Compose file: a listener for webhooks alone.
    "gateway": {"INGRESS_PORT": str(WEBHOOKS_PORT), "INGRESS_HOST": "0.0.0.0", "NEAR_PEERS": "compose"}  # noqa: S104
}
_IN_PRODUCTION = {"ENV": "production", "ALLOW_DEV_TOKEN": "false"}
_BY_ROLE = frozenset({"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
"""A pod calls AWS by the role of its service account, never by a key."""
_NOT_CALLED = frozenset({"PUBLIC_BASE_URL", *(f"{name.upper()}_URL" for name in SERVICES)})
_IMPLIED = frozenset({"OPENAI_API_KEY", "PINECONE_API_KEY"})
"""With these a service calls a public API even where no URL says so."""


@dataclass(frozen=True, slots=True)
class Pod:
    """The configuration of one kind of pod: plain variables, secret variables by Secret, public files."""

    plain: Mapping[str, str]
    secrets: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    """Key of the ConfigMap -> path below INSIDE."""


@dataclass(frozen=True, slots=True, order=True)
class EgressRule:
    """A way out of a pod: to pods of a name, or to `vpc`, `internet`, `cluster`."""

    where: str
    port: int


@dataclass(frozen=True, slots=True)
class SecretsManagerEntry:
    """A variable of an ExternalSecret: its location, and the URL parameters to add (`sslrootcert=…`)."""

    name: str
    secret_id: str
    key: str | None
    authority: str = ""


def pod_of(environment: Environment, program: Program, public_files: Mapping[str, str]) -> Pod:
    """Return the configuration of a program's pods; `environment` already holds the cluster's addresses."""
    variables = pod_variables(environment, program)
    plain = {name: v.reveal() for name, v in variables.items() if not isinstance(v.value, Secret)}
    plain |= {name: value for name, value in _IN_PRODUCTION.items() if name in plain} | dict(_FIXED.get(program, {}))
    secrets = {
        name: secret_name(environment, program, variable)
        for name, variable in variables.items()
        if isinstance(variable.value, Secret)
    }
    return Pod(plain, secrets, dict(_files(program, variables, public_files)))


def pod_variables(environment: Environment, program: Program) -> dict[str, Variable]:
    """Return the variables of a program in Compose, minus the keys that an IAM role replaces."""
    return {name: v for name, v in variables_for(environment, program).items() if name not in _BY_ROLE}


def secret_name(environment: Environment, program: str, variable: Variable) -> str:
    """Name the Secret that holds a variable for a program: filled from the vault, or from rendered files."""
    return f"{program}-vault" if is_in_secrets_manager(environment, variable) else f"{program}-own"


def is_in_secrets_manager(environment: Environment, variable: Variable) -> bool:
    """Return whether Secrets Manager holds a secret; generated secrets are files of the environment."""
    of_cloud = any(
        variable.name == f"{part.upper()}_URL" and environment.placement(part) == "cloud" for part in STORE_PORTS
    )
    return environment.placement("secrets") == "aws" and (variable.layer != "generated" or of_cloud)


def secrets_manager_entry(environment: Environment, name: str, public_files: Mapping[str, str]) -> SecretsManagerEntry:
    """Return the location of a variable in Secrets Manager."""
    configured = environment.aws.secret or {}
    one = configured if isinstance(configured, str) else f"salambot/{environment.tenant}"
    named = None if isinstance(configured, str) else configured.get(name)
    place = SecretReference.parse(named) if named else SecretReference(one, name)
    option = {"POSTGRES_URL": ("sslrootcert", "postgres-ca.pem"), "REDIS_URL": ("ssl_ca_certs", "redis-ca.pem")}
    key, file = option.get(name, ("", ""))
    return SecretsManagerEntry(
        name, place.secret_id, place.key, f"{key}={INSIDE}/{file}" if file and file in public_files else ""
    )


def ingress_from(environment: Environment, program: Program) -> list[str]:
    """Return the programs that call one: those that read its address."""
    return sorted(services_reading(environment, f"{program.upper()}_URL")) if program in SERVICES else []


def egress_rules(environment: Environment, program: Program, pod: Pod) -> list[EgressRule]:
    """Return the egress of a program's pods: peers, stores, and the hosts of its URLs."""
    peers = {EgressRule(name, PORTS[name]) for name in SERVICES if program in ingress_from(environment, name)}
    return sorted(peers | set(_stores(environment, pod)) | set(_outside(pod)))


def seed_egress_rules(environment: Environment, pod: Pod) -> list[EgressRule]:
    """Return the egress of the seed job: orchestrateur's, plus the object store, minus peers."""
    s3 = {EgressRule("internet", 443)} if environment.placement("objects") == "s3" else set()
    return sorted(s3 | set(_stores(environment, pod)) | set(_outside(pod)))


def _stores(environment: Environment, pod: Pod) -> Iterator[EgressRule]:
    for part, port in STORE_PORTS.items():
        name = f"{part.upper()}_URL"
        if name not in pod.secrets:
            continue
        if part in local_parts(environment):
            yield EgressRule(part, port)
        else:
            host, given = host_and_port(environment.value(name) or "", port)
            yield EgressRule(_where(host) if host and not host.endswith(".amazonaws.com") else "vpc", given)


def _outside(pod: Pod) -> Iterator[EgressRule]:
    for name, value in pod.plain.items():
        if name not in _NOT_CALLED and value.startswith(("http://", "https://")):
            host, port = host_and_port(value, 443 if urlsplit(value).scheme == "https" else 80)
            yield EgressRule(_where(host), port)
    if _IMPLIED & pod.secrets.keys():
        yield EgressRule("internet", 443)


def _where(host: str) -> str:
    """Return whether a host is one of the cluster's own names."""
    return "cluster" if "." not in host or host.endswith((".svc", ".local")) else "internet"


def _files(
    program: Program, variables: Mapping[str, Variable], public_files: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    if program == "gateway" and "jwks.json" in public_files:
        yield "jwks.json", "keys/jwks.json"
    for variable, file in (("POSTGRES_URL", "postgres-ca.pem"), ("REDIS_URL", "redis-ca.pem")):
        if variable in variables and file in public_files:
            yield file, file
