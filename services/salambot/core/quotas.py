"""How often a second something may happen that is worth little, and costs something."""


class RateLimiter:
    """A token bucket: a number of events a second; the rest is dropped."""

    def __init__(self, a_second: int) -> None:
        self._most = a_second
        self._left = a_second
        self._until = 0.0

    def try_acquire(self, now: float) -> bool:
        """Take a token if there is one at `now` (of `time.perf_counter`); return False if there is none."""
        if now >= self._until:
            self._left, self._until = self._most, now + 1.0
        self._left -= 1
        return self._left >= 0
