"""Choose the runtime: Compose if a Docker engine answers, else plain processes."""

from dataclasses import dataclass
from typing import Literal, cast

from salambot_cli.docker.engine import inspect_engine
from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import Environment, RuntimeName
from salambot_cli.stack.runtimes.base import Runtime
from salambot_cli.stack.supervisor_client import SupervisorClient


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """The runtime, and why, in one line."""

    runtime: Runtime
    why: str


async def choose_runtime(environment: Environment) -> RuntimeChoice:
    """Return the configured runtime; `auto` stays with the one of the last `up`, or asks for an engine."""
    if environment.runtime != "auto":
        return RuntimeChoice(_make(environment.runtime), f"runtime {environment.runtime}, as configured")
    last = read_state(environment.root).runtime
    if last == "process":
        return RuntimeChoice(_make(last), "runtime process, as last time (salambot up --runtime compose changes it)")
    engine = await inspect_engine()
    if engine.problems:
        why = "runtime process (plain processes and embedded servers): " + engine.problems[0].partition(": ")[0]
        return RuntimeChoice(_make("process"), why)
    return RuntimeChoice(_make("compose"), f"runtime compose: Docker engine {engine.version} answers")


async def other_running_runtime(environment: Environment, chosen: RuntimeName) -> tuple[str, ...]:
    """Name what the last `up` started with the other runtime and still runs: `down` would forget one of the two."""
    last = read_state(environment.root).runtime
    if last in {None, chosen}:
        return ()
    if last == "process":
        kept = await SupervisorClient(environment.state).status()
        return tuple(cast("dict[str, object]", kept["units"])) if kept else ()
    from salambot_cli.docker.command_line import DockerError
    from salambot_cli.docker.containers import containers
    from salambot_cli.stack.runtimes.container_view import project_name

    try:
        return tuple(await containers(project_name(environment)))
    except DockerError:  # with no engine nothing of it runs
        return ()


def running_runtime(environment: Environment) -> Runtime:
    """Return the runtime of the last `up`, for the commands that look at a stack or end it."""
    asked = read_state(environment.root).runtime
    wanted = environment.runtime if environment.runtime != "auto" else "process"
    return _make(asked or wanted)


def _make(name: Literal["compose", "process"]) -> Runtime:
    if name == "compose":
        from salambot_cli.stack.runtimes.compose import ComposeRuntime

        return ComposeRuntime()
    from salambot_cli.stack.runtimes.process import ProcessRuntime

    return ProcessRuntime()
