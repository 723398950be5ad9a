"""Webhook bodies that nobody has verified yet: a bound on what all of them together may hold in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import randint

from prometheus_client import Gauge
from starlette.requests import Request

from salambot.core.problems import Problem

MAX_UNVERIFIED_BYTES = 4 * 1024 * 1024
"""Under way in one process: one of the largest bodies, and hundreds of the usual ones."""
FREE_BYTES = 8 * 1024
"""Of each body count for nothing: a usual webhook is taken however many large ones are under way."""
_MAX_WAIT_SECONDS = 3
_HELD = Gauge("salambot_webhook_unverified_bytes", "Bytes of webhook bodies that are not verified yet")


class UnverifiedBodies:
    """Reads bodies. A signature covers all of a body, so until its end it may be a stranger's."""

    def __init__(self, limit: int = MAX_UNVERIFIED_BYTES, free: int = FREE_BYTES) -> None:
        self._limit = limit
        self._free = free
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body, counted as unverified within the block; raises Problem 503 where there is no room for it."""
        body, held = bytearray(), 0
        try:
            async for piece in request.stream():
                more = max(0, len(body) + len(piece) - self._free) - held
                self._take(more)
                body += piece
                held += more
            whole = bytes(body)
            body.clear()
            yield whole
        finally:
            self._take(-held)

    def _take(self, size: int) -> None:
        if size > 0 and self._held + size > self._limit:
            # Not all at the same moment: who is refused together would come back together.
            wait = {"Retry-After": str(randint(1, _MAX_WAIT_SECONDS))}  # noqa: S311 - jitter
            raise Problem(503, "overloaded", "Too many large webhooks are under way.", headers=wait)
        self._held += size
        _HELD.set(self._held)
