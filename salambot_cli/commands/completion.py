"""Live values for the shell's completion: what this very project has; nothing is said when it cannot be read."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from salambot_cli.model.errors import SalamBotError
from salambot_cli.terminal.output import start_directory

if TYPE_CHECKING:
    from salambot_cli.model.environment import Environment


def _beginning(values: Iterable[str], incomplete: str) -> list[str]:
    return sorted({value for value in values if value.startswith(incomplete)})


def _environment(context: typer.Context) -> "Environment | None":
    from salambot_cli.config.load import load_environment

    try:
        return load_environment(start_directory(context.find_root().params.get("project")))
    except SalamBotError:
        return None


def services(incomplete: str) -> list[str]:
    """Complete a service."""
    from salambot_cli.model.topology import SERVICES

    return _beginning(SERVICES, incomplete)


def logged(context: typer.Context, incomplete: str) -> list[str]:
    """Complete what has logs here, else any service."""
    from salambot_cli.model.topology import PROGRAMS

    environment = _environment(context)
    folder = environment.state / "logs" if environment else Path()
    return _beginning((*PROGRAMS, *(path.stem for path in folder.glob("*.log"))), incomplete)


def checks(incomplete: str) -> list[str]:
    """Complete a check, a group, a component or a finding that the doctor knows."""
    from salambot_cli.doctor.probes import PROBES

    return _beginning((name for p in PROBES for name in (p.id, p.group, *p.parts, *p.finds)), incomplete)


def findings(incomplete: str) -> list[str]:
    """Complete the id of a finding."""
    from salambot_cli.doctor.catalogue import CATALOGUE

    return _beginning(CATALOGUE, incomplete)


def groups(incomplete: str) -> list[str]:
    """Complete a group of checks."""
    from salambot_cli.doctor.probes import GROUPS

    return _beginning(GROUPS, incomplete)


def tenants(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a tenant that the configuration names."""
    environment = _environment(context)
    if environment is None:
        return []
    mapped = (tenant for table in environment.channels.values() for tenant in table.values())
    return _beginning((environment.tenant, *mapped), incomplete)


def placements(incomplete: str) -> list[str]:
    """Complete `component=placement`; of what stands after `=`, bash wants that part alone."""
    from salambot_cli.components import PLACEMENTS

    places = {str(name): every for name, every in PLACEMENTS.items()}
    words = os.environ.get("COMP_WORDS", "").split("\n")[: int(os.environ.get("COMP_CWORD") or 0) + 1]
    match words:
        case [*_, component, "="] | [*_, component, "=", _] if component in places:
            return _beginning(places[component], "" if words[-1] == "=" else incomplete)
    return _beginning((f"{name}={where}" for name, every in places.items() for where in every), incomplete)


def rotatable(incomplete: str) -> list[str]:
    """Complete what `secrets rotate` can make again."""
    from salambot_cli.secrets.rotate import ROTATABLE

    return _beginning(ROTATABLE, incomplete)


def policies(incomplete: str) -> list[str]:
    """Complete a policy."""
    from salambot_cli.render.policies import POLICIES

    return _beginning(POLICIES, incomplete)


def secrets(incomplete: str) -> list[str]:
    """Complete the name of a secret variable."""
    from salambot_cli.components.variables import SECRET_VARIABLES

    return _beginning(SECRET_VARIABLES, incomplete)


def variables(incomplete: str) -> list[str]:
    """Complete the name of a variable."""
    from salambot_cli.components.variables import PLAIN_VARIABLES, SECRET_VARIABLES

    return _beginning(SECRET_VARIABLES | PLAIN_VARIABLES, incomplete)


def channels(incomplete: str) -> list[str]:
    """Complete a webhook channel."""
    from salambot_cli.api.sample_webhooks import CHANNELS

    return _beginning(CHANNELS, incomplete)
