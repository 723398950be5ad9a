"""`start.NAME`: one local component or service, up and healthy."""

from dataclasses import dataclass, field

from salambot_cli.model.plan import StepStatus
from salambot_cli.steps.base import Run

_TITLES = {"image": "build the image", "migrate": "bring the schema forward"}


@dataclass
class StartPart:
    """Start a part through the runtime; what ran before and did not change is left alone."""

    part: str
    needs: tuple[str, ...]
    _unchanged: bool = field(default=False, init=False)

    @property
    def id(self) -> str:
        """The step's id."""
        return f"start.{self.part}"

    @property
    def title(self) -> str:
        """What a person reads."""
        return _TITLES.get(self.part, f"start {self.part}")

    async def run(self, run: Run) -> StepStatus:
        """Start it and wait until it is healthy."""
        result = await run.runtime.start(run.environment, self.part)
        self._unchanged = result == "unchanged"
        if result == "restarted":
            run.details[self.id] = "restarted"
        return "unchanged" if self._unchanged else "done"

    async def undo(self, run: Run) -> None:
        """Stop it, unless it ran before."""
        if not self._unchanged:
            await run.runtime.undo(run.environment, (self.part,))
