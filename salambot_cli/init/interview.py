"""The questions of `init`; each has a default, taken by Enter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from salambot_cli.aws.profiles import aws_profiles
from salambot_cli.config.load import read_dotenv
from salambot_cli.config.schema import is_tenant
from salambot_cli.docker.engine import inspect_engine
from salambot_cli.init.project import InitialSettings
from salambot_cli.init.topology_guess import TopologyGuess, guess_topology, tenant_name
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.topology import TOPOLOGIES, preset

_ENV_FILES = (".env", ".env.cloud-local", ".env.local")
_ON_AWS = frozenset({"cloud", "s3", "aws"})
Ask = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class InitContext:
    """The surroundings of a new project: an older `.env`, AWS profiles with regions, a Docker engine."""

    env_file: str | None
    variables: Mapping[str, str]
    profiles: Mapping[str, str]
    docker: str | None

    @property
    def proposal(self) -> TopologyGuess:
        """The topology that the variables amount to."""
        return guess_topology(self.variables)


async def detect_context(root: Path) -> InitContext:
    """Look at the folder and the machine. Raises ConfigurationError for a `.env` that cannot be read."""
    name = next((name for name in _ENV_FILES if (root / name).is_file()), None)
    engine = await inspect_engine()
    docker = engine.version if not engine.problems else None
    return InitContext(name, read_dotenv(root / name) if name else {}, aws_profiles(), docker)


def ask_settings(
    found: InitContext, root: Path, *, topology: str | None, tenant: str | None, ask: Ask | None
) -> InitialSettings:
    """Return what the project starts with: flags first, then answers, then what was found."""
    proposal = found.proposal
    usual = tenant or found.variables.get("TENANT") or (tenant_name(root.resolve().name) if ask else "demo")
    name = _asked_tenant(usual, ask if tenant is None else None)
    words = ",".join(proposal.presets)
    chosen = topology or _asked_topology(words, ask)
    values = {} if name == "demo" else {"tenant": name}
    if chosen == words:
        values |= {f"placement.{component}": where for component, where in proposal.overrides.items()}
    presets = tuple(part.strip() for part in chosen.split(","))
    values |= _aws(found, presets, values, ask)
    if ask and (business := ask("Business: the name that replies use (Enter for none)", "").strip()):
        values["business.name"] = business
    return InitialSettings(presets, values)


def _asked_tenant(usual: str, ask: Ask | None) -> str:
    """Ask until the answer can be a tenant; what cannot becomes the next proposal. Raises ConfigurationError."""
    question = "Tenant: whose documents and customers are these?"
    name = ask(question, usual).strip() if ask else usual
    while not is_tenant(name):
        proposal = tenant_name(name)
        if ask is None:
            why = "a tenant has lower-case letters, digits and dashes"
            raise ConfigurationError(f"{name!r} cannot be a tenant", why, f"salambot init --tenant {proposal}")
        name = ask("Tenant: lower-case letters, digits and dashes", proposal).strip()
    return name


def _asked_topology(usual: str, ask: Ask | None) -> str:
    """Ask until every preset is one that there is."""
    if ask is None:
        return usual
    chosen = ask("Topology: local, t1, t2, t3, or several (t1,t3)", usual).lower()
    while not {part.strip() for part in chosen.split(",")} <= {*TOPOLOGIES}:
        chosen = ask("There is no such topology. Choose of local, t1, t2, t3", usual).lower()
    return chosen


def _aws(found: InitContext, presets: tuple[str, ...], values: Mapping[str, str], ask: Ask | None) -> dict[str, str]:
    known = tuple(name for name in ("local", "t1", "t2", "t3") if name in presets)
    overrides = {key.removeprefix("placement."): value for key, value in values.items()}
    placed = {overrides.get(component, where) for component, where in preset(known).items()}
    if not found.profiles or not _ON_AWS & placed:
        return {}
    usual = "default" if "default" in found.profiles else next(iter(found.profiles))
    profile = ask(f"AWS profile: {', '.join(found.profiles)}", usual) if ask else usual
    region = found.variables.get("AWS_REGION") or found.profiles.get(profile, "")
    chosen = {} if profile == "default" else {"aws.profile": profile}
    return chosen | ({"aws.region": region} if region else {})
