"""`down`: the reverse of `up`; safe to run when nothing runs."""

import asyncio
from dataclasses import dataclass, replace

from salambot_cli.host.lock import environment_lock
from salambot_cli.host.state_file import read_state, remove_state, write_state
from salambot_cli.model.environment import Environment
from salambot_cli.stack.choose_runtime import running_runtime

_LOCK_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Downed:
    """The parts that were stopped, and the local data that was deleted, with its size."""

    stopped: list[str]
    deleted: list[str]


async def take_down(environment: Environment, *, volumes: bool, prune: bool) -> Downed:
    """Stop everything, with `volumes` delete the local data too."""
    if not environment.state.is_dir():
        return Downed([], [])
    with environment_lock(environment.root, "down", wait_seconds=_LOCK_WAIT_SECONDS):
        data = await asyncio.to_thread(_local_data, environment) if volumes else []
        stopped = await running_runtime(environment).stop(environment, volumes=volumes, prune=prune)
        if volumes:
            remove_state(environment.root)
        else:
            write_state(environment.root, replace(read_state(environment.root), asked_up=False, public_url=None))
        return Downed(stopped, data)


def _local_data(environment: Environment) -> list[str]:
    """Name the folders of local data: `postgres (48 MiB)`."""
    found = []
    for folder in sorted((environment.state / "data").glob("*/")):
        size = sum(path.lstat().st_size for path in folder.rglob("*"))
        found.append(f"{folder.name} ({max(1, round(size / 2**20))} MiB)")
    return found
