"""The wanted parts, the running ones, and the changes between them: pure values, compared by `stack/plan.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["start", "restart", "keep", "stop"]
StepStatus = Literal["planned", "done", "unchanged", "skipped", "failed", "undone"]
PartState = Literal["ready", "starting", "failing", "stopped"]
Origin = Literal["ours", "older", "newer"]
"""Which release started what runs: one that speaks as we do, an earlier one, a later one."""


@dataclass(frozen=True, slots=True)
class WantedPart:
    """A part of the stack as the environment wants it."""

    name: str
    marks: Mapping[str, str] = field(default_factory=dict)
    """Digests of what decides how it runs, by what a person calls it (`variable LOG_LEVEL`, `program`)."""
    needs: tuple[str, ...] = ()
    """Parts that have to be healthy before it starts."""
    peers: tuple[str, ...] = ()
    """Parts that it works with; they start at the same time."""
    group: tuple[str, ...] = ()
    """The parts of its process, where more than itself are in it."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """The ports that it listens on, by their key in `[ports]`."""
    follows: tuple[str, ...] = ()
    """Parts whose new start changes its own configuration: the gateway is told the tunnel's URL."""
    job: bool = False
    """True for what runs to its end at each `up`."""


@dataclass(frozen=True, slots=True)
class RunningPart:
    """A part of the stack as it runs."""

    name: str
    state: PartState = "ready"
    marks: Mapping[str, str] | None = None
    """None where whoever started it does not tell."""
    ports: Mapping[str, int] = field(default_factory=dict)
    group: tuple[str, ...] = ()
    answers: bool = True
    """False where it was asked twice and did not answer."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of an environment that run right now, in one runtime."""

    parts: Mapping[str, RunningPart] = field(default_factory=dict)
    origin: Origin = "ours"
    placements: Mapping[str, str] = field(default_factory=dict)
    """Component -> placement, as the running services were told; empty where nothing tells."""
    supervisor_pid: int | None = None

    @property
    def ports(self) -> dict[str, int]:
        """The ports of everything that runs, by their key in `[ports]`."""
        return {name: port for part in self.parts.values() for name, port in part.ports.items()}


@dataclass(frozen=True, slots=True)
class Change:
    """The action for one part, and its reason."""

    part: str
    action: Action
    because: str
    reversible: bool = True
    """False where an undo cannot bring back what ran before."""
    job: bool = False

    def __str__(self) -> str:
        """Return it in words: `restart gateway: variable LOG_LEVEL changed`."""
        return f"{self.action} {self.part}: {self.because}" if self.because else f"{self.action} {self.part}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One change for each part that is concerned; `keep` is one of them."""

    changes: tuple[Change, ...] = ()
    takes_over: bool = False
    """True where everything that runs was started by an earlier release, which is stopped first."""

    def of(self, part: str) -> Change | None:
        """Return the change of one part."""
        return next((change for change in self.changes if change.part == part), None)

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that `up` would make to a stack that is up: all but kept parts and the jobs of each `up`."""
        return tuple(change for change in self.changes if change.action != "keep" and not change.job)


@dataclass(frozen=True, slots=True)
class StepResult:
    """One line of `steps` in the document of `salambot up --json`."""

    id: str
    status: StepStatus
    duration_ms: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of the dry run: its id, what it does, and what it waits for."""

    id: str
    title: str
    needs: tuple[str, ...]
