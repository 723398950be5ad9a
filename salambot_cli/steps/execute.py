"""Run a plan: every step as soon as what it needs is done; on a failure or an interrupt, undo in reverse."""

import asyncio
import time

from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.plan import StepResult, StepStatus
from salambot_cli.steps.base import Reporter, Run, Step


class Execution:
    """One pass over a plan. `results` holds what became of each step so far, in the order of the plan."""

    def __init__(self, steps: tuple[Step, ...], run: Run, reporter: Reporter) -> None:
        self._steps = steps
        self._run = run
        self._reporter = reporter
        self._over = {step.id: asyncio.Event() for step in steps}
        self._attempted: list[Step] = []
        self._results: dict[str, StepResult] = {}

    @property
    def results(self) -> tuple[StepResult, ...]:
        """What became of each step; a step that was not reached is `skipped`."""
        return tuple(self._results.get(step.id, StepResult(step.id, "skipped")) for step in self._steps)

    async def complete(self) -> None:
        """Run all steps. Raises the first failure, or CancelledError, after everything is undone."""
        try:
            async with asyncio.TaskGroup() as group:
                for step in self._steps:
                    group.create_task(self._one(step))
        except BaseExceptionGroup as group_of_one:
            await self._undo()
            raise _first(group_of_one) from None
        except asyncio.CancelledError:
            self._run.interrupted = True
            await self._undo()
            raise

    async def _one(self, step: Step) -> None:
        for need in step.needs:
            await self._over[need].wait()
        self._attempted.append(step)
        self._reporter.started(step)
        began = time.monotonic()
        status: StepStatus = "failed"
        try:
            status = await step.run(self._run)
            self._over[step.id].set()
        finally:
            elapsed = round((time.monotonic() - began) * 1000)
            result = StepResult(step.id, status, elapsed, self._run.details.get(step.id, ""))
            self._results[step.id] = result
            self._reporter.finished(step, result)

    async def _undo(self) -> None:
        """Undo in reverse. What cannot be undone neither keeps the rest from it nor hides why the run ended."""
        failures: dict[str, SalamBotError] = {}
        for step in reversed(self._attempted):
            try:
                await step.undo(self._run)
            except SalamBotError as error:
                failures[step.id] = error
        if failures:
            first = next(iter(failures.values()))
            self._run.runtime.notes.append(f"not undone: {', '.join(failures)} ({first.what}); later: salambot down")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
