"""How much one gateway has under way at once: past it the next request is refused early, and those admitted stay quick.

Without a bound a gateway that is asked for more than it can do makes everybody wait, and in the end answers nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import randint

from prometheus_client import Gauge

from salambot.problems import Problem

_UNDER_WAY = Gauge("salambot_requests_under_way", "Requests for replies and searches that the gateway works on")
_LONGEST_WAIT_S = 3


class Admission:
    """A number of places. Redis and the services behind are not asked about who gets none."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place until the answer, streamed or not, is sent; raises Problem 503 where none is left."""
        if self._taken >= self._places:
            # Not all at the same moment: who is refused together would come back together.
            wait = {"Retry-After": str(randint(1, _LONGEST_WAIT_S))}  # noqa: S311 - jitter
            raise Problem(503, "overloaded", "More is asked for than can be answered in good time.", headers=wait)
        self._taken += 1
        _UNDER_WAY.inc()
        try:
            yield
        finally:
            self._taken -= 1
            _UNDER_WAY.dec()
