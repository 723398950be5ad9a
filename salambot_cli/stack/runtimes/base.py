"""The Runtime protocol: how services and local components are started, seen and stopped."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from salambot_cli.host.subprocesses import Hear, StreamedResult
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.plan import Change, Plan, Running, WantedPart
from salambot_cli.model.topology import Program, Service
from salambot_cli.model.unit import ObservedStack

PEERS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("orchestrateur", "rag", "worker"),
    "orchestrateur": ("nlu", "rag"),
    "worker": ("orchestrateur",),
}
"""Services that a service calls. They start together; a service is healthy once its callees answer."""

StartResult = Literal["started", "restarted", "unchanged"]
JOB_SILENCE_SECONDS = 3600
"""A job that says nothing for this long is stuck: even a large document is indexed sooner."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of one service or component; `time` is UTC, ISO 8601."""

    time: str
    source: str
    text: str


class Runtime(Protocol):
    """Two of them start the same things: `process` and `compose`."""

    name: Literal["compose", "process"]
    notes: list[str]
    """Notes for the user about this run, such as a replaced file."""

    def parts(self, environment: Environment) -> Mapping[str, tuple[str, ...]]:
        """Return what `up` starts, by name, each with the names that have to be healthy first (a graph)."""

    async def running(self, environment: Environment) -> Running:
        """Look at what runs. Nothing of it is asked how it is."""

    async def confirm(self, environment: Environment, running: Running) -> Running:
        """Return what runs, where each part that does not answer is told apart."""

    def settle(self, environment: Environment, running: Running) -> Environment:
        """Replace each port `auto` by a port."""

    def wanted(self, environment: Environment) -> Mapping[str, WantedPart]:
        """Return the parts as they would be started, ports being settled. Nothing is made or changed. It blocks."""

    async def check(self, environment: Environment) -> list[str]:
        """Return every reason why this runtime cannot start here, one line each, with its fix."""

    async def prepare(self, environment: Environment) -> Environment:
        """Make generated variables and empty data; return the environment that services see."""

    async def begin(self, environment: Environment, plan: Plan) -> None:
        """Remember what runs before the first change; end an earlier release where the plan takes over."""

    async def start(self, environment: Environment, part: str) -> StartResult:
        """Start one part, or restart it as it is wanted now, and wait until it is healthy. Raises UnitFailedError."""

    async def end(self, environment: Environment, part: str) -> None:
        """Stop one part that is not wanted any more."""

    async def restart(self, environment: Environment, parts: tuple[str, ...]) -> list[str]:
        """Restart parts as they run; return the names of all that were restarted. Raises UnitFailedError."""

    def seen(self, environment: Environment, running: Running) -> Environment:
        """Return the environment as it runs, with the addresses of this machine. Nothing is made."""

    def command_in(
        self, environment: Environment, running: Running, part: str, words: tuple[str, ...]
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """Return the words and the environment of a command in a part that runs."""

    def abandon(self, environment: Environment) -> None:
        """End at once what this very run launched, without waiting: a person does not want to wait for the undoing."""

    async def undo(self, environment: Environment, changes: tuple[Change, ...]) -> None:
        """Carry out the inverse of what this run did; the last one out leaves nothing behind."""

    async def observe(self, environment: Environment) -> ObservedStack:
        """Look at what really runs."""

    async def stop(self, environment: Environment, *, volumes: bool, prune: bool) -> list[str]:
        """Stop everything, in reverse order; return the names of what was stopped."""

    def logs(
        self, environment: Environment, sources: tuple[str, ...], *, since: str | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        """Yield log lines of all named sources, merged by time."""

    async def tail(self, environment: Environment, part: str, count: int) -> Sequence[str]:
        """Return the last lines that one service or component wrote, as it wrote them; none where it never ran."""

    async def run_job(
        self, environment: Environment, service: Service, argv: tuple[str, ...], hear: Hear, stdin: str | None = None
    ) -> StreamedResult:
        """Run `python -m argv…` with the environment of a service, inside it where there is an inside.

        `hear` gets each line of its output. It reads `stdin`; without one its standard input closes when this
        process ends, however that happens: an `--attached` job ends with it.
        """

    def variables(self, environment: Environment, service: Program) -> Mapping[str, Variable]:
        """Return what a service gets, as this runtime sees hosts and paths."""


def objects_folder(environment: Environment) -> Path:
    """Return where the local object store keeps documents on this machine."""
    return environment.state / "data" / "objects"
