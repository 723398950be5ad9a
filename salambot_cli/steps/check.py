"""`host.check`: every missing prerequisite and taken port in one report, before anything is touched."""

from dataclasses import dataclass

from salambot_cli.catalog.validate import validate
from salambot_cli.model.errors import PrerequisiteError
from salambot_cli.model.plan import StepStatus
from salambot_cli.steps.base import Run


@dataclass(frozen=True)
class CheckHost:
    """Look at configuration, tools, ports and disk."""

    id: str = "host.check"
    title: str = "check this machine"
    needs: tuple[str, ...] = ()

    async def run(self, run: Run) -> StepStatus:
        """Raise one error that names everything that stands in the way."""
        validate(run.environment)
        problems = await run.runtime.check(run.environment)
        if problems:
            lines = "\n".join(f"- {problem}" for problem in problems)
            raise PrerequisiteError("this machine is not ready", lines, "mend the above, then: salambot up")
        return "done"

    async def undo(self, run: Run) -> None:
        """Looking leaves nothing behind."""
