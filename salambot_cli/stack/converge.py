"""Bring a stack from what runs to what is wanted: look, check, read secrets, plan, prepare, execute."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from salambot_cli.audit.records import record
from salambot_cli.config.pull_secrets import Pulled, pull
from salambot_cli.host.state_file import State, read_state, restore_state, write_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.plan import Plan, StepResult, StepStatus
from salambot_cli.stack.execute import Execution
from salambot_cli.stack.observe import Survey, survey
from salambot_cli.stack.plans import BEFORE, steps_of
from salambot_cli.stack.preflight import check_start
from salambot_cli.stack.runtimes.base import Runtime
from salambot_cli.stack.steps import PUBLIC_BASE_URL, Reporter, RunContext

_T = TypeVar("_T")
_TITLES = {step.id: step.title for step in BEFORE}
_CHECK, _PULL, _PREPARE = _TITLES


@dataclass(slots=True)
class Convergence:
    """One run of `up`: what it is to do, and what came of each step so far."""

    runtime: Runtime
    reporter: Reporter
    only: tuple[str, ...] = ()
    seed: bool | None = None
    flags: Mapping[str, object] | None = None
    """The options of the command line; None leaves those of the last one."""
    environment: Environment | None = None
    """Complete once it is prepared."""
    public_url: str | None = None
    execution: Execution | None = None
    _before: list[StepResult] = field(default_factory=list)
    _under_way: str | None = None

    @property
    def results(self) -> tuple[StepResult, ...]:
        """The result of each step."""
        return (*self._before, *(self.execution.results if self.execution else ()))

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The steps that are under way or still to come, as far as they are known."""
        under_way = (self._under_way,) if self._under_way else ()
        return (*under_way, *(result.id for result in self.results if result.status == "skipped"))

    async def complete(self, environment: Environment) -> None:
        """Start what is not running, restart what changed, stop what is not wanted, leave the rest alone.

        Raises:
            SalamBotError: what stands in the way, or what failed; what this run changed is undone by then.
        """
        found = await self._phase(_CHECK, check_start(environment, self.runtime, self.only))
        versions: dict[str, str] = {}
        if environment.placement("secrets") == "aws":
            pulled = await self._pull(environment)
            versions = pulled.versions
            found = await survey(pulled.environment, self.runtime, self.only, running=found.running)
        with _state_of_before(environment):
            prepared = await self._phase(_PREPARE, self._prepare(found, versions))
            context = RunContext(prepared, self.runtime, found.plan, found.public_url, self.seed)
            self.environment = prepared
            self.execution = Execution(steps_of(found, seed=self.seed), context, self.reporter)
            await self.execution.complete()
        opened = self.execution.outcomes.get("tunnel.open")
        self.public_url = opened.variables.get(PUBLIC_BASE_URL) if opened else found.public_url

    async def _pull(self, environment: Environment) -> Pulled:
        """Read the secrets, and leave a record of it, of a refusal too."""
        outcome = "failed"
        try:
            pulled = await self._phase(_PULL, asyncio.to_thread(pull, environment))
            outcome = "done"
        finally:
            await record(environment, "secret.read", outcome)
        return pulled

    async def _prepare(self, found: Survey, versions: dict[str, str]) -> Environment:
        prepared = await self.runtime.prepare(found.environment)
        ports = {name: port for name, port in prepared.ports.items() if isinstance(port, int)}
        before = read_state(prepared.root)
        flags = before.flags if self.flags is None else dict(self.flags)
        state = State(self.runtime.name, ports, before.public_url, True, versions, flags)
        write_state(prepared.root, state)
        return prepared

    async def _phase(self, step_id: str, work: Awaitable[_T]) -> _T:
        """Do what comes before the first change, as a step of its own."""
        title, began = _TITLES[step_id], time.monotonic()
        self.reporter.started(step_id, title)
        status: StepStatus = "failed"
        self._under_way = step_id
        try:
            value = await work
            status = "done"
        finally:
            result = StepResult(step_id, status, round((time.monotonic() - began) * 1000))
            self._under_way = None
            self._before.append(result)
            self.reporter.finished(step_id, title, result)
        return value


@contextmanager
def _state_of_before(environment: Environment) -> Iterator[None]:
    """Remember again what was asked for before, where this run fails."""
    before = read_state(environment.root)
    try:
        yield
    except BaseException:
        restore_state(environment.root, before)
        raise


async def planned(environment: Environment, runtime: Runtime, only: tuple[str, ...] = ()) -> Plan:
    """Return what `up` would do now. Nothing is made or changed.

    Raises:
        SalamBotError: this machine lacks what describes a part.
    """
    running = await runtime.running(environment)
    return (await survey(environment, runtime, only, running=running)).plan
