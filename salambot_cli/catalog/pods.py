"""What each pod of the Kubernetes target gets and whom it may talk to: pure, from the same tables as Compose."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from salambot_cli.catalog.endpoints import host_and_port
from salambot_cli.catalog.render import local_parts
from salambot_cli.catalog.services import readers, variables_for
from salambot_cli.catalog.vault import Place
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import DEFAULT_PORTS, SERVICES, Component, Program

WEBHOOKS_PORT = 8090
PORTS: Mapping[Program, int] = {"worker": 8084, **{name: DEFAULT_PORTS[name] for name in SERVICES}}
STORE_PORTS: Mapping[Component, int] = {"postgres": 5432, "redis": 6379}
INSIDE = "/run/salambot"
"""Where pods see public files, as containers do."""
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
    """What one kind of pod reads: variables in clear, variables by the Secret that holds them, public files."""

    plain: Mapping[str, str]
    secrets: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    """Key of the ConfigMap -> path below INSIDE."""


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """A way out of a pod: to pods of a name, or to `vpc`, `internet`, `cluster`."""

    where: str
    port: int


@dataclass(frozen=True, slots=True)
class VaultEntry:
    """A variable of an ExternalSecret: where it stands, and what its URL lacks (`sslrootcert=…`)."""

    name: str
    secret_id: str
    key: str | None
    authority: str = ""


def pod_of(environment: Environment, program: Program, public_files: Mapping[str, str]) -> Pod:
    """Return what a program's pods read; the environment holds the addresses of the cluster already."""
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
    """Return what Compose gives the program, without the keys that a role stands for."""
    return {name: v for name, v in variables_for(environment, program).items() if name not in _BY_ROLE}


def secret_name(environment: Environment, program: str, variable: Variable) -> str:
    """Name the Secret that holds a variable for a program: filled from the vault, or from rendered files."""
    return f"{program}-vault" if in_vault(environment, variable) else f"{program}-own"


def in_vault(environment: Environment, variable: Variable) -> bool:
    """Tell whether Secrets Manager holds a secret; what an environment made for itself stands in its own files."""
    of_cloud = any(
        variable.name == f"{part.upper()}_URL" and environment.placement(part) == "cloud" for part in STORE_PORTS
    )
    return environment.placement("secrets") == "aws" and (variable.layer != "generated" or of_cloud)


def vault_entry(environment: Environment, name: str, public_files: Mapping[str, str]) -> VaultEntry:
    """Return where a variable stands in Secrets Manager."""
    configured = environment.aws.secret or {}
    one = configured if isinstance(configured, str) else f"salambot/{environment.tenant}"
    named = None if isinstance(configured, str) else configured.get(name)
    place = Place.parse(named) if named else Place(one, name)
    option = {"POSTGRES_URL": ("sslrootcert", "postgres-ca.pem"), "REDIS_URL": ("ssl_ca_certs", "redis-ca.pem")}
    key, file = option.get(name, ("", ""))
    return VaultEntry(
        name, place.secret_id, place.key, f"{key}={INSIDE}/{file}" if file and file in public_files else ""
    )


def callers(environment: Environment, program: Program) -> list[str]:
    """Return the programs that call one: those that read its address."""
    return sorted(readers(environment, f"{program.upper()}_URL")) if program in SERVICES else []


def ways_out(environment: Environment, program: Program, pod: Pod) -> list[Way]:
    """Return where a program's pods have to reach: peers, stores, and what its URLs name outside."""
    peers = {Way(name, PORTS[name]) for name in SERVICES if program in callers(environment, name)}
    return sorted(peers | set(_stores(environment, pod)) | set(_outside(pod)))


def seed_ways_out(environment: Environment, pod: Pod) -> list[Way]:
    """Return where the seed job has to reach: what orchestrateur does, the object store, and no peer."""
    s3 = {Way("internet", 443)} if environment.placement("objects") == "s3" else set()
    return sorted(s3 | set(_stores(environment, pod)) | set(_outside(pod)))


def _stores(environment: Environment, pod: Pod) -> Iterator[Way]:
    for part, port in STORE_PORTS.items():
        name = f"{part.upper()}_URL"
        if name not in pod.secrets:
            continue
        if part in local_parts(environment):
            yield Way(part, port)
        else:
            host, given = host_and_port(environment.value(name) or "", port)
            yield Way(_where(host) if host and not host.endswith(".amazonaws.com") else "vpc", given)


def _outside(pod: Pod) -> Iterator[Way]:
    for name, value in pod.plain.items():
        if name not in _NOT_CALLED and value.startswith(("http://", "https://")):
            host, port = host_and_port(value, 443 if urlsplit(value).scheme == "https" else 80)
            yield Way(_where(host), port)
    if _IMPLIED & pod.secrets.keys():
        yield Way("internet", 443)


def _where(host: str) -> str:
    """Tell whether a host is one of the cluster's own names."""
    return "cluster" if "." not in host or host.endswith((".svc", ".local")) else "internet"


def _files(
    program: Program, variables: Mapping[str, Variable], public_files: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    if program == "gateway" and "jwks.json" in public_files:
        yield "jwks.json", "keys/jwks.json"
    for variable, file in (("POSTGRES_URL", "postgres-ca.pem"), ("REDIS_URL", "redis-ca.pem")):
        if variable in variables and file in public_files:
            yield file, file
