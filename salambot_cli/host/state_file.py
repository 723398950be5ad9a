"""`state.json`: what was asked for, so that a later command finds the same ports. What runs is looked at."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from salambot_cli.host.files import replace_file, state_folder
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.topology import Service


@dataclass(frozen=True, slots=True)
class State:
    """The last `up`: its runtime, and the ports that were settled."""

    runtime: Literal["compose", "process"] | None = None
    ports: dict[str, int] = field(default_factory=dict)
    public_url: str | None = None
    asked_up: bool = False
    """True if the last word was `up`, not `down`: a stack that is gone then is a fault."""
    secret_versions: dict[str, str] = field(default_factory=dict)
    """Secret id -> the version that the services were started with."""
    flags: dict[str, object] = field(default_factory=dict)
    """Dotted key -> value: what the command line of the last `up` asked for."""


def read_state(root: Path) -> State:
    """Read the state; one that is missing or damaged counts as none (everything in it can be found again)."""
    try:
        raw = json.loads((root / ".salambot" / "state.json").read_text())
        ports = {str(name): int(port) for name, port in dict(raw["ports"]).items()}
        runtime = raw["runtime"] if raw["runtime"] in {"compose", "process"} else None
        versions = {str(name): str(version) for name, version in dict(raw.get("secret_versions", {})).items()}
        flags = {str(key): value for key, value in dict(raw.get("flags", {})).items()}
        return State(runtime, ports, raw.get("public_url"), bool(raw.get("asked_up")), versions, flags)
    except (OSError, ValueError, KeyError, TypeError):
        return State()


def settled_port(environment: Environment, service: Service) -> int:
    """Return where a service listens since the last `up`, else where it has to. Raises SalamBotError for `auto`."""
    port = read_state(environment.root).ports.get(service) or environment.port(service)
    if port == "auto":
        raise SalamBotError("nothing was started yet", f"no `up` has chosen the port of {service}", "salambot up")
    return port


def write_state(root: Path, state: State) -> None:
    """Replace the state."""
    replace_file(state_folder(root) / "state.json", json.dumps({"version": 1, **asdict(state)}, indent=1))


def restore_state(root: Path, before: State) -> None:
    """Go back to an earlier state after a run that failed; the ports that it chose are remembered for the next."""
    now = read_state(root)
    runtime, ports = before.runtime or now.runtime, {**now.ports, **before.ports}
    write_state(root, replace(before, runtime=runtime, ports=ports))


def remove_state(root: Path) -> None:
    """Forget what was asked for."""
    (root / ".salambot" / "state.json").unlink(missing_ok=True)
