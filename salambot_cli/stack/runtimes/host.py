"""Host checks of the runtimes: free ports, disk space, Git."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast

from salambot_cli.host.ports import free_port, is_free
from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.plan import Running


def settle_ports(environment: Environment, running: Mapping[str, int]) -> Environment:
    """Replace `auto` by the port that its part has now, else by that of last time if it is free, else by a free one."""
    before = read_state(environment.root).ports
    ports: dict[str, int | Literal["auto"]] = {}
    for name, wanted in environment.ports.items():
        last = running.get(name, before.get(name))
        keep = last is not None and (running.get(name) == last or is_free(last))
        taken = [port for port in (*ports.values(), *running.values(), *before.values()) if isinstance(port, int)]
        ports[name] = wanted if wanted != "auto" else cast("int", last) if keep else free_port(taken)
    return replace(environment, ports=ports)


def last_ports(environment: Environment) -> Environment:
    """Replace `auto` by the port of the last `up`, where there was one."""
    before = read_state(environment.root).ports
    ports = {name: before.get(name, port) if port == "auto" else port for name, port in environment.ports.items()}
    return replace(environment, ports=ports)


def as_running(environment: Environment, running: Running) -> Environment:
    """Return the environment as it runs: at the ports where its parts listen, with the placements they were told."""
    known = {**read_state(environment.root).ports, **running.ports}
    ports = {
        name: running.ports.get(name, known.get(name, port) if port == "auto" else port)
        for name, port in environment.ports.items()
    }
    placements = {name: running.placements.get(name, placement) for name, placement in environment.placements.items()}
    return replace(environment, ports=ports, placements=placements)


def git_problem() -> list[str]:
    """Say when Git is missing, which decides whether a `.env` could be committed."""
    return [] if shutil.which("git") else ["git is not installed: sudo apt-get install git"]


def disk_problem(environment: Environment, needed_bytes: int) -> list[str]:
    """Say when the disk of the project has too little room."""
    free = shutil.disk_usage(environment.project).free
    if free >= needed_bytes:
        return []
    room = f"{free // 2**20} MiB left, {needed_bytes // 2**20} are needed"
    return [f"the disk of {environment.project} has {room}: df -h {environment.project}"]
