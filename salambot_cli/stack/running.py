"""Commands that need a running stack say so in one line; commands on its parts know their names."""

from collections.abc import Sequence

from salambot_cli.config.schema import nearest
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, PrerequisiteError
from salambot_cli.model.plan import Running
from salambot_cli.model.topology import PROGRAMS
from salambot_cli.stack.choose_runtime import running_runtime
from salambot_cli.stack.runtimes.base import Runtime
from salambot_cli.stack.supervisor_client import UnitFailedError

STORES = ("postgres", "redis")
PARTS = (*PROGRAMS, *STORES)
LOGGED = (*PARTS, "migrate", "tunnel", "supervisor")


async def require_stack(environment: Environment, part: str = "gateway") -> tuple[Runtime, Running]:
    """Return the runtime of a stack that is up, and what runs.

    Raises:
        PrerequisiteError: the part does not run.
    """
    runtime = running_runtime(environment)
    running = await runtime.running(environment)
    if part not in running.parts or running.parts[part].state == "stopped":
        raise PrerequisiteError("the stack is not running", "", "salambot up")
    return runtime, running


def require_names(names: Sequence[str], known: Sequence[str], command: str) -> None:
    """Raise ConfigurationError for the first name that is none of those known."""
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"there is no part {name}{nearest(name, tuple(known))}",
                f"the parts are {', '.join(known)}",
                f"salambot {command}",
            )


async def restart(environment: Environment, names: tuple[str, ...]) -> list[str]:
    """Restart parts as they run, services behind their open ports; return their names. Without names: all services.

    Raises:
        SalamBotError: a part does not run, or did not come back.
    """
    require_names(names, PARTS, "restart")
    runtime, running = await require_stack(environment, names[0] if names else "gateway")
    wanted = names or tuple(name for name in PROGRAMS if name in running.parts)
    for name in wanted:
        if name not in running.parts:
            raise UnitFailedError(name, "it does not run: salambot up", ())
    return await runtime.restart(environment, wanted)


def require_logs(environment: Environment, names: Sequence[str]) -> None:
    """Raise SalamBotError for a name that nothing has, or where nothing was ever started."""
    folder = environment.state / "logs"
    written = {path.name.split(".log")[0] for path in folder.glob("*.log*")}
    if not written and not (environment.state / "state.json").is_file():
        raise PrerequisiteError("the stack is not running", "", "salambot up")
    require_names(names, tuple(dict.fromkeys((*LOGGED, *sorted(written)))), "logs")
