"""`prepare`: ports, the environment's own secrets, empty data of the local components."""

import asyncio
import shutil
from dataclasses import dataclass, field, replace

from salambot_cli.model.plan import StepStatus
from salambot_cli.outside.state import State, read_state, write_state
from salambot_cli.steps.base import Run


@dataclass
class Prepare:
    """Complete the environment: from here on each variable has its value."""

    id: str = "prepare"
    title: str = "prepare ports, keys and local data"
    needs: tuple[str, ...] = ("host.check",)
    _fresh: bool = field(default=False, init=False)

    async def run(self, run: Run) -> StepStatus:
        """Settle what is still open and remember the ports."""
        state = run.environment.state
        self._fresh = not await asyncio.to_thread((state / "state.json").exists)
        run.environment = await run.runtime.prepare(run.environment)
        ports = {name: port for name, port in run.environment.ports.items() if isinstance(port, int)}
        known_url = read_state(run.environment.root).public_url
        write_state(
            run.environment.root,
            State(run.runtime.name, ports, known_url, asked_up=True, secret_versions=run.secret_versions),
        )
        return "done" if self._fresh else "unchanged"

    async def undo(self, run: Run) -> None:
        """Forget a state folder that did not exist before this run."""
        if self._fresh and run.interrupted:
            await asyncio.to_thread(shutil.rmtree, run.environment.state, ignore_errors=True)
        else:
            root = run.environment.root
            write_state(root, replace(read_state(root), asked_up=False))
