"""Time limits that count what others take: whoever watches the event loop moves them by what it was late itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextvars import ContextVar

WATCHED: ContextVar[set[asyncio.Timeout] | None] = ContextVar("WATCHED", default=None)
"""The running limits of whoever watches; None where nobody does."""


@contextlib.asynccontextmanager
async def limit(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Limit a block. Raises TimeoutError."""
    watched = WATCHED.get()
    async with asyncio.timeout(seconds) as timeout:
        if watched is None:
            yield timeout
            return
        watched.add(timeout)
        try:
            yield timeout
        finally:
            watched.discard(timeout)
