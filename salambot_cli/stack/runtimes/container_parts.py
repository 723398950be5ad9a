"""The engine's view of containers, as the parts that run."""

import json
from collections.abc import Mapping
from pathlib import Path

from salambot_cli.docker.containers import Container
from salambot_cli.host.secret_files import last_read
from salambot_cli.model.plan import PartState, RunningPart
from salambot_cli.model.topology import DEFAULT_PORTS, PROGRAMS
from salambot_cli.render.compose import MARKS_LABEL

_PLACEMENTS = "CONSOLE_PLACEMENTS"
_INSIDE: Mapping[int, str] = {
    **{port: str(name) for name, port in DEFAULT_PORTS.items()},
    8090: "ingress",
    5432: "postgres",
    6379: "redis",
}
"""Port in a container -> its key in `[ports]`."""


def running_part(container: Container, secrets: Path) -> RunningPart:
    """Return a container as a part; `secrets` is the folder that says which secrets it has read."""
    name = container.service
    marks = json.loads(container.labels[MARKS_LABEL]) if MARKS_LABEL in container.labels else None
    read = last_read(secrets, name) if name in PROGRAMS else None
    return RunningPart(
        name,
        _state(container),
        marks if marks is None or read is None else {**marks, "secrets": read},
        {_INSIDE[inside]: port for inside, port in container.ports.items() if inside in _INSIDE},
        answers=container.health != "unhealthy" and container.phase != "paused",
        detail="" if container.phase == "running" else f"its container is {container.phase}",
    )


def placements_of(containers: Mapping[str, Container]) -> Mapping[str, str]:
    """Return the placements that the gateway was told; none where it does not run."""
    gateway = containers.get("gateway")
    found: dict[str, str] = json.loads(gateway.environ.get(_PLACEMENTS, "{}")) if gateway else {}
    return found


def _state(container: Container) -> PartState:
    if container.phase == "restarting":
        return "failing"
    if container.phase not in {"running", "paused"}:
        return "ready" if container.is_ready else "stopped"
    return "starting" if container.health == "starting" else "ready"
