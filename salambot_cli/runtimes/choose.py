"""Which runtime starts the stack: Compose where an engine answers, else plain processes."""

import asyncio
import shutil
from dataclasses import dataclass
from typing import Literal

from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import PrerequisiteError
from salambot_cli.outside.state import read_state
from salambot_cli.runtimes.base import Runtime

_ENGINE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """The runtime, and why, in one line."""

    runtime: Runtime
    why: str


async def choose_runtime(environment: Environment) -> Choice:
    """Return the configured runtime; `auto` asks for an engine.

    Raises:
        PrerequisiteError: Compose is asked for and no engine answers.
    """
    if environment.runtime != "compose":
        return Choice(_make("process"), "runtime process: plain processes and embedded servers")
    if silence := await engine_silence():
        fix = "sudo systemctl start docker, or: salambot up --runtime process"
        raise PrerequisiteError("no Docker engine answers", silence, fix)
    return Choice(_make("compose"), "runtime compose, as configured")


def running_runtime(environment: Environment) -> Runtime:
    """Return the runtime of the last `up`, for the commands that look at a stack or end it."""
    asked = read_state(environment.root).runtime
    wanted = environment.runtime if environment.runtime != "auto" else "process"
    return _make(asked or wanted)


async def engine_silence() -> str | None:
    """Return why no Docker engine answers, or None when one does."""
    docker = shutil.which("docker")
    if docker is None:
        return "docker is not installed"
    process = await asyncio.create_subprocess_exec(
        docker, "version", "--format", "{{.Server.Version}}",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, errors = await asyncio.wait_for(process.communicate(), _ENGINE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"the Docker engine did not answer within {_ENGINE_SECONDS} s"
    if process.returncode != 0:
        return (errors.decode(errors="replace").strip().splitlines() or ["docker version failed"])[-1]
    return None


def _make(name: Literal["compose", "process"]) -> Runtime:
    if name == "compose":
        from salambot_cli.runtimes.compose import ComposeRuntime

        return ComposeRuntime()
    from salambot_cli.runtimes.process import ProcessRuntime

    return ProcessRuntime()
