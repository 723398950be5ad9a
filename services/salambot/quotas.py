"""How often a second something may happen that is worth little, and costs something."""


class Quota:
    """Lets so many things pass a second, and forgets those above."""

    def __init__(self, a_second: int) -> None:
        self._most = a_second
        self._left = a_second
        self._until = 0.0

    def allows(self, now: float) -> bool:
        """Tell whether there is room at this time (of `time.perf_counter`), and take it."""
        if now >= self._until:
            self._left, self._until = self._most, now + 1.0
        self._left -= 1
        return self._left >= 0
