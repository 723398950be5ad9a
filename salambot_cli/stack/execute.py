"""Run steps, each as soon as what it needs is done. After a failure or an interrupt, carry out the plan's inverse."""

import asyncio
import time
from collections.abc import Mapping

from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.plan import Change, Plan, StepResult
from salambot_cli.stack.plan import inverse
from salambot_cli.stack.steps import Outcome, Reporter, RunContext, Step


class Execution:
    """One pass over the steps of a plan. `results` holds what became of each so far, in their order."""

    def __init__(self, steps: tuple[Step, ...], context: RunContext, reporter: Reporter) -> None:
        self._steps = steps
        self._context = context
        self._reporter = reporter
        self._over = {step.id: asyncio.Event() for step in steps}
        self._attempted: set[str] = set()
        self._outcomes: dict[str, Outcome] = {}
        self._results: dict[str, StepResult] = {}

    @property
    def results(self) -> tuple[StepResult, ...]:
        """The result of each step; a step that was not reached is `skipped`."""
        return tuple(self._results.get(step.id, StepResult(step.id, "skipped")) for step in self._steps)

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """The outcomes of the steps that are done, by id."""
        return self._outcomes

    async def complete(self) -> None:
        """Run all steps. Raises the first failure, or CancelledError, after what this run changed is undone."""
        context = self._context
        try:
            await context.runtime.begin(context.environment, context.plan)
            async with asyncio.TaskGroup() as group:
                for step in self._steps:
                    group.create_task(self._one(step))
        except BaseExceptionGroup as group_of_one:
            await self._undo()
            raise _first(group_of_one) from None
        except (asyncio.CancelledError, SalamBotError):
            await self._undo()
            raise

    async def _one(self, step: Step) -> None:
        for need in step.needs:
            await self._over[need].wait()
        if step.part is not None:
            self._attempted.add(step.part)
        self._reporter.started(step.id, step.title)
        began = time.monotonic()
        outcome = Outcome("failed")
        try:
            outcome = await step.run(self._context, self._outcomes)
            self._outcomes[step.id] = outcome
            self._over[step.id].set()
        finally:
            self._report(step, outcome, time.monotonic() - began)

    def _report(self, step: Step, outcome: Outcome, seconds: float) -> None:
        result = StepResult(step.id, outcome.status, round(seconds * 1000), outcome.detail)
        self._results[step.id] = result
        self._reporter.finished(step.id, step.title, result)

    async def _undo(self) -> None:
        """Undo in reverse. What cannot be undone does not hide why the run ended."""
        back = inverse(self._context.plan, self._attempted)
        notes = self._context.runtime.notes
        notes += [f"{change.part} stays as this run left it: {change.because}" for change in _lasting(back)]
        try:
            await self._context.runtime.undo(self._context.environment, back.changes)
        except SalamBotError as error:
            parts = ", ".join(change.part for change in back.changes)
            notes.append(f"not undone: {parts} ({error.what}); later: salambot down")


def _lasting(back: Plan) -> list[Change]:
    return [change for change in back.changes if change.action == "keep"]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
