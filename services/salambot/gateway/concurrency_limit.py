"""A limit on concurrent requests: further requests are refused early, so that admitted ones stay fast.

Without it an overloaded gateway makes everybody wait and finally answers nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import randint

from prometheus_client import Gauge

from salambot.core.problems import Problem

_UNDER_WAY = Gauge("salambot_requests_under_way", "Requests for replies and searches that the gateway works on")
_MAX_WAIT_SECONDS = 3


class ConcurrencyLimit:
    """A number of slots. A request without a slot reaches neither Redis nor the services."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot until the response, streamed or not, is sent; raises Problem 503 if none is free."""
        if self._taken >= self._places:
            # Not all at the same moment: who is refused together would come back together.
            wait = {"Retry-After": str(randint(1, _MAX_WAIT_SECONDS))}  # noqa: S311 - jitter
            raise Problem(503, "overloaded", "More is asked for than can be answered in good time.", headers=wait)
        self._taken += 1
        _UNDER_WAY.inc()
        try:
            yield
        finally:
            self._taken -= 1
            _UNDER_WAY.dec()
