"""Check for containers: the docker command, the engine, Compose, each with its fix."""

import asyncio
import json
import os
import re
import shutil
from dataclasses import dataclass

OLDEST_ENGINE = 24
OLDEST_COMPOSE = 2
_SECONDS = 10
_GONE = re.compile(r"context (?:\"|\\u0022)?([\w.-]+)\"?(?:: context)? (?:not found|does not exist)")
_PLACE = re.compile(r"(?:unix|tcp|ssh|https?|npipe)://[^\s\"',]+")
_OWN_SOCKET = re.compile(r"unix:///(?:var/)?run/docker\.sock\.?")
_INSTALL = "https://docs.docker.com/engine/install/"


@dataclass(frozen=True, slots=True)
class Engine:
    """The result of the check; `problems` holds one line per obstacle, with its fix."""

    version: str | None
    compose: str | None
    problems: tuple[str, ...]


async def inspect_engine() -> Engine:
    """Ask the docker command for its engine and its Compose, both at once."""
    docker = shutil.which("docker")
    if docker is None:
        return Engine(None, None, (f"docker is not installed: {_INSTALL}, or salambot up --runtime process",))
    (engine, engine_problem), (compose, compose_problem) = await asyncio.gather(_engine(docker), _compose(docker))
    return Engine(engine, compose, tuple(problem for problem in (engine_problem, compose_problem) if problem))


async def _engine(docker: str) -> tuple[str | None, str | None]:
    status, output, errors = await _ask(docker, "version", "--format", "{{json .Server.Version}}")
    if status != 0:
        return None, _silence(errors)
    version = str(json.loads(output))
    if _major(version) < OLDEST_ENGINE:
        return version, f"Docker engine {version} is too old, {OLDEST_ENGINE} is needed: {_INSTALL}"
    return version, None


def _silence(errors: str) -> str:
    last = (errors.strip().splitlines() or ["docker version failed"])[-1]
    if gone := _GONE.search(errors):
        return f"the Docker context {gone[1]} does not exist ({last}): {engine_command(errors)}"
    if "permission denied" in errors.lower():
        return f"no permission on Docker's socket ({last}): sudo usermod -aG docker $USER, then log in again"
    return f"no Docker engine answers ({last}): {engine_command(errors)}, or salambot up --runtime process"


def engine_command(errors: str) -> str:
    """Return the command for an engine that does not answer: start it, or leave the one that was chosen and is gone."""
    place = _PLACE.search(errors)
    if not _GONE.search(errors) and (place is None or _OWN_SOCKET.fullmatch(place[0])):
        return "sudo systemctl start docker"
    chosen = [name for name in ("DOCKER_HOST", "DOCKER_CONTEXT") if os.environ.get(name)]
    return f"unset {' '.join(chosen)}" if chosen else "docker context use default"


async def _compose(docker: str) -> tuple[str | None, str | None]:
    status, output, _ = await _ask(docker, "compose", "version", "--short")
    version = output.strip().removeprefix("v")
    if status == 0 and _major(version) >= OLDEST_COMPOSE:
        return version, None
    fix = "sudo apt-get install docker-compose-plugin"
    if shutil.which("docker-compose"):
        return None, f"only Compose v1 (docker-compose) is there, Compose v{OLDEST_COMPOSE} is needed: {fix}"
    return None, f"Compose v{OLDEST_COMPOSE} is not installed (docker compose version): {fix}"


async def _ask(*command: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, "", f"no answer within {_SECONDS} s"
    return process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace")


def _major(version: str) -> int:
    match = re.match(r"v?(\d+)", version)
    return int(match[1]) if match else 0
