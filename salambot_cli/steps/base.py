"""A step of a plan: it knows what it needs, how to run, and how to undo itself."""

from dataclasses import dataclass, field
from typing import Protocol

from salambot_cli.model.environment import Environment
from salambot_cli.model.plan import StepResult, StepStatus
from salambot_cli.runtimes.base import Runtime


@dataclass
class Run:
    """What the steps of one run share; `environment` becomes more complete as they go."""

    environment: Environment
    runtime: Runtime
    seed: bool | None = None
    """True: seed; False: do not; None: only when the index is empty."""
    open_tunnel: bool = False
    public_url: str | None = None
    secret_versions: dict[str, str] = field(default_factory=dict)
    """Secret id -> the version that this run read."""
    interrupted: bool = False
    """Whether a person or a signal ended the run, rather than a failure."""
    details: dict[str, str] = field(default_factory=dict)
    """A word about a step that went well, by its id, for people."""


class Step(Protocol):
    """One thing that `up` does."""

    @property
    def id(self) -> str:
        """The id in output and JSON, such as `start.gateway`."""

    @property
    def title(self) -> str:
        """What a person reads while it runs."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the steps that have to be over."""

    async def run(self, run: Run) -> StepStatus:
        """Do it; return `done`, `unchanged` or `skipped`."""

    async def undo(self, run: Run) -> None:
        """Take back what this very run did; called after a failure or an interrupt."""


class Reporter(Protocol):
    """Whoever shows how a run goes."""

    def started(self, step: Step) -> None:
        """A step begins."""

    def finished(self, step: Step, result: StepResult) -> None:
        """A step is over."""
