"""A step of `up`: it gets what the run knows and what other steps found, and returns what it found itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.plan import Change, Plan, StepResult, StepStatus
from salambot_cli.stack.runtimes.base import Runtime

PUBLIC_BASE_URL = "PUBLIC_BASE_URL"
_TITLES = {"image": "build the image", "migrate": "bring the schema forward"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a step. `variables` are for the steps that need it."""

    status: StepStatus = "done"
    detail: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The values that the steps of one phase share. No step changes them."""

    environment: Environment
    runtime: Runtime
    plan: Plan
    public_url: str | None = None
    """The URL of a tunnel that was open before."""
    seed: bool | None = None
    """True: seed; False: do not; None: only when the index is empty."""


class Step(Protocol):
    """One thing that `up` does."""

    @property
    def id(self) -> str:
        """The id in output and JSON, such as `start.gateway`."""

    @property
    def title(self) -> str:
        """The title shown while the step runs."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the steps that have to be over."""

    @property
    def part(self) -> str | None:
        """The part of the plan that it changes, if any."""

    async def run(self, context: RunContext, given: Mapping[str, Outcome]) -> Outcome:
        """Do it; `given` holds what the steps that it needs found, by id."""


class Reporter(Protocol):
    """Whoever shows how a run goes."""

    def started(self, step_id: str, title: str) -> None:
        """A step begins."""

    def finished(self, step_id: str, title: str, result: StepResult) -> None:
        """A step is over."""


@dataclass(frozen=True, slots=True)
class ChangePart:
    """Carry out one change of the plan. A part that is kept is not touched; one that still starts is waited for."""

    change: Change
    needs: tuple[str, ...]

    @property
    def id(self) -> str:
        """The step's id."""
        return f"{'stop' if self.change.action == 'stop' else 'start'}.{self.change.part}"

    @property
    def title(self) -> str:
        """The title that a person reads."""
        verb = {"keep": "start"}.get(self.change.action, self.change.action)
        return _TITLES.get(self.change.part, f"{verb} {self.change.part}")

    @property
    def part(self) -> str | None:
        """The part that it changes."""
        return None if self.change.action == "keep" else self.change.part

    async def run(self, context: RunContext, given: Mapping[str, Outcome]) -> Outcome:
        """Start, restart or stop it, and wait until it is healthy."""
        change, runtime = self.change, context.runtime
        if change.action == "stop":
            await runtime.end(context.environment, change.part)
            return Outcome("done", change.because)
        if change.action == "keep" and not change.because:
            return Outcome("unchanged")
        told = (outcome.variables.get(PUBLIC_BASE_URL) for outcome in given.values())
        url = next((url for url in told if url), context.public_url)
        result = await runtime.start(with_public_url(context.environment, url), change.part)
        if result == "unchanged":
            return Outcome("unchanged")
        return Outcome("done", f"restarted: {change.because}" if change.action == "restart" else "")


def with_public_url(environment: Environment, url: str | None) -> Environment:
    """Return the environment as it is published at a URL; as it is without one."""
    if url is None:
        return environment
    variable = Variable(PUBLIC_BASE_URL, url, "generated")
    return replace(environment, variables={**environment.variables, PUBLIC_BASE_URL: variable})
