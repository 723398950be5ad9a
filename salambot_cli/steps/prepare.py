"""`prepare`: ports, the environment's own secrets, empty data of the local components."""

from dataclasses import dataclass, replace

from salambot_cli.model.plan import StepStatus
from salambot_cli.outside.state import State, read_state, write_state
from salambot_cli.steps.base import Run


@dataclass(frozen=True)
class Prepare:
    """Complete the environment: from here on each variable has its value."""

    id: str = "prepare"
    title: str = "prepare ports, keys and local data"
    needs: tuple[str, ...] = ("host.check",)

    async def run(self, run: Run) -> StepStatus:
        """Settle what is still open and remember the ports."""
        fresh = read_state(run.environment.root).runtime is None
        run.environment = await run.runtime.prepare(run.environment)
        ports = {name: port for name, port in run.environment.ports.items() if isinstance(port, int)}
        known_url = read_state(run.environment.root).public_url
        write_state(
            run.environment.root,
            State(run.runtime.name, ports, known_url, asked_up=True, secret_versions=run.secret_versions),
        )
        return "done" if fresh else "unchanged"

    async def undo(self, run: Run) -> None:
        """Remember that nobody asks for this stack any more."""
        root = run.environment.root
        write_state(root, replace(read_state(root), asked_up=False))
