"""What a tunnel leads to: connections wait here while the gateway restarts, in place of failing in public."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LOOPBACK = "127.0.0.1"
_PATIENCE_S = 25.0
"""Longer than a gateway takes to come back; senders of webhooks try again later anyway."""
_POLL_S = 0.1
_MOST = 256
"""Connections at once; quick tunnels carry 200."""
_PIECE = 64 * 1024
_Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def waiting_room(port: int, patience_s: float = _PATIENCE_S) -> AsyncIterator[int]:
    """Lead to a port of this machine, once it listens; yield the port to connect to in its place."""
    room = asyncio.Semaphore(_MOST)

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with room:
            await _lead(port, (reader, writer), patience_s)

    server = await asyncio.start_server(lead, LOOPBACK, 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _lead(port: int, caller: _Wire, patience_s: float) -> None:
    origin: _Wire | None = None
    try:
        origin = await _connect(port, patience_s)
        if origin is not None:
            ways = [asyncio.create_task(_pass_on(*way)) for way in ((caller[0], origin[1]), (origin[0], caller[1]))]
            await asyncio.wait(ways)
    finally:
        for _, writer in (caller, *([origin] if origin else [])):
            writer.close()


async def _connect(port: int, patience_s: float) -> _Wire | None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            return await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(_POLL_S)  # another process's state raises no event here
    return None


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of one direction, and pass the end on too."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        return
    writer.transport.abort()
