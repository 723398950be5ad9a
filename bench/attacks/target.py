"""What is attacked, and what an attack did to it."""

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MIB = 1024 * 1024
MAX_GROWTH = 20 * MIB
"""What any attack may add to the memory of a service (issue: memory growth ≤ 20 MB)."""
_EXPECTED_5XX = frozenset({501, 503})
"""`501` is the answer to an unknown coding, `503` the one that there is no room: both are refusals, not defects."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_SAMPLE_SECONDS = 0.01


@dataclass(frozen=True)
class Target:
    """A listener on this machine, and the process behind it."""

    port: int
    pid: int

    def connect(self, seconds: float = 10) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), seconds)

    def memory(self) -> int:
        """Return the resident bytes of the process."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def health_seconds(self) -> float:
        """Return how long a request of somebody else takes now; raises OSError where it is not answered.

        What the process waited for a processor meanwhile does not count: that is what the machine did beside it.
        """
        started, queued = time.monotonic(), self._queued_seconds()
        with self.connect() as wire:
            wire.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            said = read(wire, 10)
        if statuses(said) not in ([200], [404]):  # a tunnel's listener serves webhooks alone
            raise ConnectionError(f"health was answered with {said[:80]!r}")
        return time.monotonic() - started - (self._queued_seconds() - queued)

    def _queued_seconds(self) -> float:
        """Return how long its event loop could have run and had no processor, as Linux counts it."""
        try:
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9
        except OSError:
            return 0.0


@dataclass
class Outcome:
    """What came of an attack."""

    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    def note(self, said: bytes) -> None:
        """Count the answers of one connection."""
        for status in statuses(said) or ["closed"]:
            self.answers[str(status)] += 1

    @property
    def failures(self) -> list[str]:
        """Statuses that are defects."""
        return [one for one in self.answers if one.startswith("5") and int(one) not in _EXPECTED_5XX]


@dataclass(frozen=True)
class Measured:
    """One row of the table."""

    name: str
    outcome: Outcome
    growth: int
    health_s: float

    @property
    def holds(self) -> bool:
        """Return whether memory, answers and everybody else's requests stayed as they have to."""
        return self.growth <= MAX_GROWTH and not self.outcome.failures and self.health_s < 2

    def row(self) -> str:
        """Return it as a row of Markdown."""
        answers = ", ".join(f"{count} × {status}" for status, count in sorted(self.outcome.answers.items()))
        cells = (self.name, f"{self.outcome.sent / MIB:.1f} MiB", f"{self.growth / MIB:+.1f} MiB", answers)
        return f"| {' | '.join(cells)} | {self.health_s * 1000:.0f} ms | {'yes' if self.holds else '**no**'} |"


HEADING = (
    "| attack | sent | memory | answers | others wait | holds |\n"
    "|---|---:|---:|---|---:|---|"
)  # fmt: skip
Attack = Callable[[Target, Outcome], None]


def measure(name: str, attack: Attack, target: Target) -> Measured:
    """Run an attack; the growth is that of the peak while it lasts."""
    outcome, before = Outcome(), target.memory()
    with _peak(target) as peak:
        attack(target, outcome)
        health_s = target.health_seconds()
    return Measured(name, outcome, max(0, peak[0] - before), health_s)


@contextmanager
def _peak(target: Target) -> Iterator[list[int]]:
    highest, ended = [target.memory()], threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            highest[0] = max(highest[0], target.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield highest
    finally:
        ended.set()
        watcher.join()


def statuses(said: bytes) -> list[int]:
    """Return the statuses of the answers in what was received."""
    return [int(status) for status in _STATUS.findall(said)]


def read(wire: socket.socket, seconds: float) -> bytes:
    """Read until the other side closes, or is silent for so long."""
    said = bytearray()
    wire.settimeout(seconds)
    with suppress(OSError):
        while data := wire.recv(65536):
            said += data
    return bytes(said)
