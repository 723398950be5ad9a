"""What a runtime starts: units with their readiness, and what it sees of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Health = Literal["healthy", "starting", "degraded", "unhealthy", "down"]
ReadyWhen = Literal["http", "tcp", "command", "exit"]
"""`http`: the URLs answer 200; `tcp`: the address accepts; `command`: it ends with status 0; `exit`: the unit does."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """How a unit shows that it is ready, and how long it may take, in seconds."""

    when: ReadyWhen
    target: str = ""
    """URLs with blanks between them for `http`, `host:port` for `tcp`, a quoted command line for `command`."""
    seconds: float = 60


@dataclass(frozen=True, slots=True)
class Unit:
    """A process to supervise. `tier` orders the stop: higher tiers stop first."""

    name: str
    argv: tuple[str, ...]
    readiness: Readiness
    needs: tuple[str, ...] = ()
    tier: int = 1
    stop_signal: str = "SIGTERM"
    death_signal: str = "SIGKILL"
    """What the kernel sends when the supervisor dies."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    listen: tuple[int, ...] = ()
    """The loopback ports that the supervisor opens for it; they stay open while the unit is restarted."""
    parts: tuple[str, ...] = ()
    """What shares its process, where that is more than the unit itself: each can be asked for, and has its log."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it is known as."""
        return self.parts or (self.name,)

    @property
    def one_shot(self) -> bool:
        """Whether the unit is a job that ends."""
        return self.readiness.when == "exit"


@dataclass(frozen=True, slots=True)
class Part:
    """One service or component as it is seen right now."""

    name: str
    health: Health
    placement: str | None = None
    """Components only."""
    url: str | None = None
    """Services only."""
    pid: int | None = None
    since: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages of webhooks that wait for their reply, and for how long the oldest has, in seconds."""

    pending: int
    oldest_s: float

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.pending} wait, the oldest for {self.oldest_s:.0f} s" if self.pending else "idle"


@dataclass(frozen=True, slots=True)
class Observed:
    """What really runs, found by looking: no state file is trusted."""

    runtime: Literal["compose", "process"]
    services: Mapping[str, Part]
    components: Mapping[str, Part]
    worker: Part
    waiting: Waiting | None = None
    """None where nobody can tell."""
    supervisor_pid: int | None = None

    @property
    def status(self) -> Literal["ready", "degraded", "down"]:
        """`ready` when all is healthy, `down` when no service runs, else `degraded`."""
        healths = [part.health for part in (*self.services.values(), self.worker, *self.components.values())]
        if all(part.health == "down" for part in self.services.values()):
            return "down"
        return "ready" if all(health == "healthy" for health in healths) else "degraded"
