"""Live values for the shell's completion: what this very project has; nothing is said when it cannot be read."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from salambot_cli.model.errors import SalamBotError
from salambot_cli.outside.console import start_directory

if TYPE_CHECKING:
    from salambot_cli.model.environment import Environment


def _beginning(values: Iterable[str], incomplete: str) -> list[str]:
    return sorted({value for value in values if value.startswith(incomplete)})


def _environment() -> "Environment | None":
    from salambot_cli.catalog.load import load_environment

    try:
        return load_environment(start_directory(None))
    except SalamBotError:
        return None


def services(incomplete: str) -> list[str]:
    """Complete a service."""
    from salambot_cli.model.topology import SERVICES

    return _beginning(SERVICES, incomplete)


def logged(incomplete: str) -> list[str]:
    """Complete what has logs here, else any service."""
    from salambot_cli.model.topology import PROGRAMS

    environment = _environment()
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


def tenants(incomplete: str) -> list[str]:
    """Complete a tenant that the configuration names."""
    environment = _environment()
    if environment is None:
        return []
    mapped = (tenant for table in environment.channels.values() for tenant in table.values())
    return _beginning((environment.tenant, *mapped), incomplete)


def placements(incomplete: str) -> list[str]:
    """Complete `component=placement`."""
    from salambot_cli.model.topology import PLACEMENTS

    return _beginning((f"{name}={where}" for name, every in PLACEMENTS.items() for where in every), incomplete)


def channels(incomplete: str) -> list[str]:
    """Complete a webhook channel."""
    from salambot_cli.outside.events import CHANNELS

    return _beginning(CHANNELS, incomplete)
