"""Time limits of a run. A machine that is too busy to run the doctor gives it that much longer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from salambot_cli.host.time_limit import WATCHED, limit

RUN_SECONDS = 24.0
"""Of a whole run, whatever is broken."""
_TICK_SECONDS = 0.1
_MIN_SECONDS = 0.5
_MAX_DELAY_SECONDS = 60.0


@dataclass(slots=True)
class Deadline:
    """The end of a run, and the limits of its probes, moved by what this process itself was late."""

    seconds: float = RUN_SECONDS
    _ends: float = 0.0
    _delayed: float = 0.0
    _limits: set[asyncio.Timeout] = field(default_factory=set)
    _tick: asyncio.TimerHandle | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Count from now on."""
        loop = asyncio.get_running_loop()
        self._ends = loop.time() + self.seconds
        self._watch(loop, loop.time())
        before = WATCHED.set(self._limits)
        try:
            yield
        finally:
            WATCHED.reset(before)
            if self._tick is not None:
                self._tick.cancel()

    @contextlib.asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Limit a block by its own seconds and by the end of the run. Raises TimeoutError."""
        now = asyncio.get_running_loop().time()
        async with limit(min(seconds, max(self._ends - now, _MIN_SECONDS))):
            yield

    def _watch(self, loop: asyncio.AbstractEventLoop, expected: float) -> None:
        """Note how late a tick is. A callback runs before the limits that became due meanwhile, as a task would not."""
        late = loop.time() - expected
        if late > _TICK_SECONDS and self._delayed < _MAX_DELAY_SECONDS:
            self._delay(late)
        due = loop.time() + _TICK_SECONDS
        self._tick = loop.call_at(due, self._watch, loop, due)

    def _delay(self, seconds: float) -> None:
        self._delayed += seconds
        self._ends += seconds
        for timeout in self._limits:
            ends = timeout.when()
            if ends is not None and not timeout.expired():
                timeout.reschedule(ends + seconds)
