"""Server-sent events with keep-alive pings; upstream work is cancelled when the client disconnects."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

import anyio
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Send

EVENT_STREAM = "text/event-stream"


def event(name: str, data: bytes) -> bytes:
    """Encode one event; `data` is JSON on one line."""
    return format_sse_event(event=name, data_str=data.decode())


async def with_pings(events: AsyncGenerator[bytes, None], every: float) -> AsyncGenerator[bytes, None]:
    """Yield `events`, and a comment whenever none came for `every` seconds. Closing it closes `events`."""
    upcoming: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(_next(events))
            await asyncio.wait({upcoming}, timeout=every)
            if not upcoming.done():
                yield KEEPALIVE_COMMENT
                continue
            chunk = upcoming.result()
            if chunk is None:
                return
            upcoming = None
            yield chunk
    finally:
        with anyio.CancelScope(shield=True):
            if upcoming is not None and upcoming.cancel():
                with suppress(asyncio.CancelledError):
                    await upcoming
            await events.aclose()


async def _next(events: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(events, None)


class EventStream(StreamingResponse):
    """A streaming response that always closes its generator before it returns."""

    media_type = EVENT_STREAM

    def __init__(self, events: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **headers})
        self._events = events

    async def stream_response(self, send: Send) -> None:
        """Send the events."""
        async with aclosing(self._events):
            await super().stream_response(send)
