"""The effective environment: pure, frozen, validated once; every value remembers the layer it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from salambot_cli.model.environment_folder import name_of_environment, project_of_environment, variables_files
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import COMPONENTS, LOCAL, SERVICES, Component, Service, TopologyName

Layer = Literal["flag", "environment", ".env", "salambot.toml", "preset", "default", "secrets manager", "generated"]
RuntimeName = Literal["auto", "compose", "process"]
EnvName = Literal["local", "cloud-local"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment: a secret or a plain value, and where it was read."""

    name: str
    value: Secret | str
    layer: Layer

    def reveal(self) -> str:
        """Return the value itself, whether it is secret or not."""
        return self.value.reveal() if isinstance(self.value, Secret) else self.value


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """How to reach AWS. `secret` is one secret id, or a table variable -> `secret-id[#json-key]`."""

    region: str | None = None
    profile: str | None = None
    jump: str | None = None
    secret: str | Mapping[str, str] | None = None
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    """A finding that the owner chose not to hear of, why, and until when (ISO date)."""

    id: str
    reason: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectCheck:
    """A check that the project itself asks the doctor for: a URL or a command, and what it has to answer."""

    name: str
    remedy: str
    url: str | None = None
    command: tuple[str, ...] = ()
    status: int = 0
    contains: str | None = None
    part: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """A web site that may show the chat widget: its public key, its tenant, and its origins as browsers send them."""

    key: str
    tenant: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Widget:
    """The chat widget: its sites, whether a tunnel leads to it, and its rate limits."""

    sites: tuple[Site, ...] = ()
    tunnel: bool = False
    visitor_limit: str = "10/minute"
    site_limit: str = "120/minute"


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that a plan, a probe or a renderer may ask. Nothing in here reads or writes."""

    root: Path
    """The environment's folder: the project's, or that of a named one; state lives in `root/.salambot`."""
    config_file: Path | None
    tenant: str
    topology: tuple[TopologyName, ...]
    runtime: RuntimeName
    placements: Mapping[Component, str]
    ports: Mapping[str, int | Literal["auto"]]
    """gateway, orchestrateur, nlu, rag (defaults 8080 to 8083); worker, ingress, tunnel, postgres, redis (`auto`)."""
    variables: Mapping[str, Variable]
    aws: AwsSettings = AwsSettings()
    channels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By channel: page or phone-number id (`bot` of telegram) -> tenant."""
    businesses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By tenant: the name, contact and tone of its business, as far as they are given."""
    widget: Widget = Widget()
    allow_insecure: frozenset[str] = frozenset()
    """Components whose cloud URL may do without verified TLS."""
    together: tuple[Service, ...] = ()
    """Services that share a process where they are processes; who asks comes before who is asked."""
    postgres_ca: Path | None = None
    redis_ca: Path | None = None
    grafana_url: str | None = None
    """Where traces and dashboards are seen."""
    timezone: str = "Africa/Casablanca"
    kb: Path = Path("kb")
    ignored_findings: tuple[Ignore, ...] = ()
    project_checks: tuple[ProjectCheck, ...] = ()
    notes: tuple[str, ...] = ()
    """The parts of `.env` that were replaced, in words without a value."""
    layers: Mapping[str, Layer] = field(default_factory=dict)
    """The layer of each effective key, by its dotted path (`placement.vector`, `ports.gateway`)."""

    @property
    def state(self) -> Path:
        """`.salambot/`: rendered/, state.json, logs/, data/, keys/."""
        return self.root / ".salambot"

    @property
    def name(self) -> str:
        """`local`, or the name of its table `[env.NAME]`."""
        return name_of_environment(self.root)

    @property
    def project(self) -> Path:
        """The project's folder, which all its environments share: configuration, documents, override file."""
        return project_of_environment(self.root)

    @property
    def variables_file(self) -> Path:
        """`.env`, or `.env.NAME`: where `salambot env set` writes."""
        return self.variables_files[-1]

    @property
    def variables_files(self) -> tuple[Path, ...]:
        """The files that variables are read from; a later one stands above those before it."""
        return variables_files(self.root)

    @property
    def env_name(self) -> EnvName:
        """`local` while everything is local, else `cloud-local`."""
        here = all(self.placements[c] in {LOCAL[c], "local"} for c in COMPONENTS if c != "tunnel")
        return "local" if here else "cloud-local"

    def placement(self, component: Component) -> str:
        """Return where a component stands, such as `local` or `pinecone`."""
        return self.placements[component]

    def value(self, name: str) -> str | None:
        """Return a variable's value, revealed, or None where nothing sets it."""
        variable = self.variables.get(name)
        return variable.reveal() if variable is not None else None

    def port(self, service: Service) -> int | Literal["auto"]:
        """Return the configured port of a service."""
        return self.ports[service]

    @property
    def services(self) -> tuple[Service, ...]:
        """The four services, in the order they are shown."""
        return SERVICES
