"""What runtimes ask of this machine: free ports, room on the disk, Git."""

import shutil
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Literal, cast

from salambot_cli.model.environment import Environment
from salambot_cli.outside.ports import free_port, holder_of, is_free
from salambot_cli.outside.state import read_state


def settle_ports(environment: Environment, running: Collection[str]) -> Environment:
    """Replace `auto` by the port of last time if it is ours or free, else by a free one."""
    before, running = read_state(environment.root).ports, _with_ingress(running)
    ports: dict[str, int | Literal["auto"]] = {}
    for name, wanted in environment.ports.items():
        last = before.get(name)
        keep = last is not None and (name in running or is_free(last))
        taken = [port for port in (*ports.values(), *before.values()) if isinstance(port, int)]
        ports[name] = wanted if wanted != "auto" else cast("int", last) if keep else free_port(taken)
    return replace(environment, ports=ports)


def last_ports(environment: Environment) -> Environment:
    """Replace `auto` by the port of the last `up`, where there was one."""
    before = read_state(environment.root).ports
    ports = {name: before.get(name, port) if port == "auto" else port for name, port in environment.ports.items()}
    return replace(environment, ports=ports)


def taken_ports(environment: Environment, parts: Iterable[str], running: Collection[str]) -> list[str]:
    """Name the holder of each port that a part of this environment needs and anything but our own running parts has."""
    published = {*parts, *(("ingress", "tunnel") if environment.placement("tunnel") != "none" else ())}
    return [
        _taken(name, port)
        for name, port in environment.ports.items()
        if name in published - _with_ingress(running) and isinstance(port, int) and not is_free(port)
    ]


def _with_ingress(running: Collection[str]) -> set[str]:
    """Count the port where a tunnel reaches the gateway as the gateway's own."""
    return {*running, *(["ingress"] if "gateway" in running else [])}


def _taken(service: str, port: int) -> str:
    holder = holder_of(port)
    who = f"pid {holder.pid} ({holder.command})" if holder.pid else "a process that only root can see"
    return (
        f"port {port} of {service} is taken by {who}: kill {holder.pid or 'it'}, "
        f'or pick another: salambot up --port {service}=auto (in salambot.toml: [ports] {service} = "auto")'
    )


def git_problem() -> list[str]:
    """Say when Git is missing, which tells whether a `.env` could be committed."""
    return [] if shutil.which("git") else ["git is not installed: sudo apt-get install git"]


def disk_problem(environment: Environment, needed_bytes: int) -> list[str]:
    """Say when the disk of the project has too little room."""
    free = shutil.disk_usage(environment.root).free
    if free >= needed_bytes:
        return []
    room = f"{free // 2**20} MiB left, {needed_bytes // 2**20} are needed"
    return [f"the disk of {environment.root} has {room}: df -h {environment.root}"]
