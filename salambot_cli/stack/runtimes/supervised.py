"""The supervisor's view of its units, as the parts that run. Every release's answer is understood."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from salambot_cli.model.plan import Origin, PartState, Running, RunningPart
from salambot_cli.model.unit import PartStatus
from salambot_cli.stack.supervisor_protocol import PROTOCOL

Facts = Mapping[str, object]
_STATES: Mapping[str, PartState] = {
    "ready": "ready",
    "done": "ready",
    "starting": "starting",
    "restarting": "starting",
    "failing": "failing",
    "failed": "failing",
}
_PORT = re.compile(r":(\d+)(?=[/\s]|$)")


def units_of(status: Facts | None) -> Mapping[str, Facts]:
    """Return the facts of each part; nothing where no supervisor answers."""
    return cast("Mapping[str, Facts]", status["units"]) if status else {}


def running_parts(status: Facts | None) -> Running:
    """Return what runs under a supervisor."""
    if status is None:
        return Running()
    units = units_of(status)
    placements: dict[str, str] = {}
    for facts in units.values():
        told = cast("Mapping[str, str]", facts.get("told", {}))
        if "CONSOLE_PLACEMENTS" in told:
            placements = json.loads(told["CONSOLE_PLACEMENTS"])
    return Running(
        {name: _part(name, facts, units) for name, facts in units.items()},
        _origin(status.get("protocol", 1)),
        placements,
        cast("int", status["pid"]),
    )


def _origin(protocol: object) -> Origin:
    number = protocol if isinstance(protocol, int) else 1
    return "ours" if number == PROTOCOL else "older" if number < PROTOCOL else "newer"


def _part(name: str, facts: Facts, units: Mapping[str, Facts]) -> RunningPart:
    names = _names(name, facts, units)
    ports = [int(port) for port in _PORT.findall(str(facts.get("ready", "")))]
    own = {one: port for one, port in zip(names, ports, strict=False) if one == name}
    told = cast("Mapping[str, str]", facts.get("told", {}))
    if name == "gateway" and told.get("INGRESS_PORT", "").isdigit():
        own["ingress"] = int(told["INGRESS_PORT"])
    return RunningPart(
        name,
        _STATES.get(str(facts["state"]), "stopped"),
        cast("Mapping[str, str] | None", facts.get("marks")),
        own,
        names if len(names) > 1 else (),
        detail=str(facts.get("detail", "")),
    )


def _names(name: str, facts: Facts, units: Mapping[str, Facts]) -> tuple[str, ...]:
    """Return the parts of its process; releases before protocol 2 show them by their common pid alone."""
    if (names := facts.get("names")) is not None:
        return tuple(cast("list[str]", names))
    pid = facts.get("pid")
    return tuple(other for other in units if pid is not None and units[other].get("pid") == pid) or (name,)


def with_unit(part: PartStatus, facts: Facts | None) -> PartStatus:
    """Add what the supervisor knows of a part to how it answers, such as that it had to start it again."""
    if facts is None:
        return part
    detail = str(facts["detail"])
    health = "failing" if _STATES.get(str(facts["state"])) == "failing" else part.health
    since = datetime.fromisoformat(str(facts["since"])) if facts["since"] else None
    pid = cast("int | None", facts["pid"])
    if not detail or (health == "healthy" and facts["state"] != "ready"):
        return replace(part, pid=pid, since=since, health=health)
    return replace(part, pid=pid, since=since, health=health, detail=detail)
