"""Units that a runtime starts, their readiness, and their observed state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from salambot_cli.model.plan import Running

Health = Literal["healthy", "starting", "degraded", "unhealthy", "failing", "down"]
"""`failing`: it crashed again and again, and is tried again with a growing delay."""
ReadyWhen = Literal["http", "tcp", "redis", "postgres", "exit"]
"""`http`: the URLs answer 200; `tcp`: the address accepts; `redis`, `postgres`: it takes logins and refuses everybody
else; `exit`: the unit ends with status 0."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """How a unit shows that it is ready, and how long it may take, in seconds."""

    when: ReadyWhen
    target: str = ""
    """URLs with blanks between them for `http`, else `host:port`."""
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
    """The signal that the kernel sends when the supervisor dies."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    listen: tuple[int, ...] = ()
    """The loopback ports that the supervisor opens for it; they stay open while the unit is restarted."""
    parts: tuple[str, ...] = ()
    """Services that share this process, if there are several; each has its own name and log."""
    cwd: str = ""
    """The folder that it runs in; its arguments need not name it then. Empty: the supervisor's own."""
    stdin_file: str = ""
    """A file in `cwd` that it reads on standard input, which is empty without one."""
    lock_file: str = ""
    """A file in `cwd` that it leaves behind when it is killed, and that keeps its successor from starting."""
    build: str = ""
    """Names the code that it runs: other code is another process."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which it is known."""
        return self.parts or (self.name,)

    @property
    def one_shot(self) -> bool:
        """Return whether the unit is a job that ends."""
        return self.readiness.when == "exit"


@dataclass(frozen=True, slots=True)
class PartStatus:
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

    @property
    def in_trouble(self) -> bool:
        """Return whether it should work, and does not."""
        return self.health not in {"healthy", "starting"}


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """Messages of webhooks that wait for their reply, and for how long the oldest has, in seconds."""

    pending: int
    oldest_s: float

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.pending} wait, the oldest for {self.oldest_s:.0f} s" if self.pending else "idle"


@dataclass(frozen=True, slots=True)
class ObservedStack:
    """The running parts, found by probing: no state file is trusted."""

    runtime: Literal["compose", "process"]
    services: Mapping[str, PartStatus]
    components: Mapping[str, PartStatus]
    worker: PartStatus
    waiting: QueueBacklog | None = None
    """None where nobody can tell."""
    running: Running = field(default_factory=Running)

    @property
    def supervisor_pid(self) -> int | None:
        """The process id of the supervisor, where one answers."""
        return self.running.supervisor_pid

    @property
    def status(self) -> Literal["ready", "degraded", "down"]:
        """`ready` when all is healthy, `down` when no service runs, else `degraded`."""
        healths = [part.health for part in (*self.services.values(), self.worker, *self.components.values())]
        if all(part.health == "down" for part in self.services.values()):
            return "down"
        return "ready" if all(health == "healthy" for health in healths) else "degraded"
