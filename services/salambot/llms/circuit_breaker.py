"""A circuit breaker around one host: after several failures in a row it refuses at once, for a while."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import HALF_OPENED, OpenedState

from salambot.core.problems import Problem

State = Literal["closed", "opened", "half-opened"]
_NAME = "llm"


class CircuitBreaker:
    """Count the failures of `host`; `failures` in a row open the circuit for `seconds`, then one call tries again."""

    def __init__(self, host: str, failures: int, seconds: float) -> None:
        self._host = host
        self._seconds = seconds
        self._factory = AsyncCircuitBreakerFactory(
            default_threshold=failures,
            default_ttl=seconds,
            exclude=[asyncio.CancelledError, GeneratorExit, (Problem, _is_our_own_fault)],
        )
        self.state: State = "closed"
        self._factory.add_listener(self._note)

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Run a call whose failure counts. Raises Problem 503 without running it while the circuit is open."""
        breaker = await self._factory.get_breaker(_NAME)
        if breaker.context.state == HALF_OPENED:  # a call is trying again: it is this until that one ends
            raise self._left_alone(1)
        try:
            await breaker.__aenter__()
        except OpenedState as opened:
            opened.opened_at = min(opened.opened_at, time.time())  # the state itself: the clock may have been set back
            raise self._left_alone(round(opened.opened_at + self._seconds - time.time())) from None
        try:
            yield
        except BaseException as error:
            await breaker.__aexit__(type(error), error, error.__traceback__)
            raise
        else:
            await breaker.__aexit__(None, None, None)

    def _left_alone(self, seconds: int) -> Problem:
        detail = f"{self._host} failed several times in a row and is left alone for a moment."
        return Problem(503, "llm_unavailable", detail, headers={"Retry-After": str(max(1, seconds))})

    def _note(self, _: str, kind: str, event: object) -> None:
        if kind == "state_changed":
            self.state = getattr(event, "state", self.state)


def _is_our_own_fault(error: Problem) -> bool:
    """A request that the host refuses for what it says tells nothing about the host."""
    return error.code == "llm_refused"
