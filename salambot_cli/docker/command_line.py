"""The docker command, with a timeout; it is stopped when the caller is cancelled."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from salambot_cli.components.variables import is_known
from salambot_cli.docker.engine import engine_command
from salambot_cli.model.errors import SalamBotError

QUICK_SECONDS = 30
GRACE_SECONDS = 10
_LINE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DockerResult:
    """How a child process ended."""

    status: int
    output: str
    errors: str


class DockerError(SalamBotError):
    """The engine or Compose refused; the lines that say why, never the command line."""


def docker_error(errors: str) -> DockerError:
    """Return an error with the engine's last lines."""
    return DockerError("the Docker engine did not answer", last_lines(errors, 2), engine_command(errors))


async def run_docker_capture(*words: str) -> str:
    """Return the output of a short docker command. Raises DockerError."""
    ended = await run_docker(["docker", *words], QUICK_SECONDS)
    if ended.status != 0:
        raise docker_error(ended.errors)
    return ended.output


async def run_docker(command: list[str], seconds: float) -> DockerResult:
    """Run one docker command to its end. Cancelled, it is asked to end, then made to.

    Raises:
        DockerError: the time is up, or there is no docker.
    """
    process = await spawn_docker(command)
    try:
        output, errors = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        raise DockerError(f"docker took longer than {seconds:.0f} s", "", "docker ps; docker info") from None
    finally:
        await end_docker(process)
    return DockerResult(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


async def spawn_docker(command: list[str]) -> asyncio.subprocess.Process:
    """Start a docker command whose output is read line by line. Raises DockerError where there is none."""
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=docker_environment(os.environ),
            limit=_LINE_BYTES,
            # A Ctrl-C in the terminal comes to us alone: we decide what docker is told, and in which order.
            start_new_session=True,
        )
    except FileNotFoundError:
        raise docker_error("docker is not on PATH") from None


async def end_docker(process: asyncio.subprocess.Process) -> None:
    """Ask a docker command to end, then make it."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def docker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out the variables of an environment: Compose prefers them to the rendered `.env`."""
    hidden = {"ENV", "TENANT", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    kept = {
        name: value
        for name, value in environ.items()
        if name not in hidden and not is_known(name) and not name.startswith("COMPOSE_")
    }
    return kept | {"BUILDKIT_PROGRESS": "plain"}


def last_lines(text: str, count: int) -> str:
    """Return the last lines that say anything."""
    return "\n".join([line.strip() for line in text.splitlines() if line.strip()][-count:])
