"""`down`: the reverse of `up`; safe to run when nothing runs."""

from dataclasses import replace

from salambot_cli.model.environment import Environment
from salambot_cli.outside.lock import exclusive
from salambot_cli.outside.state import read_state, remove_state, write_state
from salambot_cli.runtimes.choose import running_runtime

_LOCK_WAIT_SECONDS = 10.0


async def take_down(environment: Environment, *, volumes: bool, prune: bool) -> list[str]:
    """Stop everything; return the names of what ran."""
    if not environment.state.is_dir():
        return []
    with exclusive(environment.root, "down", wait_seconds=_LOCK_WAIT_SECONDS):
        stopped = await running_runtime(environment).stop(environment, volumes=volumes, prune=prune)
        if volumes:
            remove_state(environment.root)
        else:
            write_state(environment.root, replace(read_state(environment.root), asked_up=False, public_url=None))
        return stopped
