"""The end of a tunnel: a request that comes while the gateway restarts waits here, in place of failing in public.

Each connection carries one request: the gateway's listener for the public closes it after the answer. A request whose
gateway ends before the first byte of an answer is said again to the next one: a webhook is stored once, however often
it comes.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LOOPBACK = "127.0.0.1"
_PATIENCE_SECONDS = 25.0
"""Longer than a gateway takes to come back; senders of webhooks try again later anyway."""
_POLL_SECONDS = 0.1
_MAX_ITEMS = 256
"""Connections at once; quick tunnels carry 200."""
_PIECE = 64 * 1024
_MAX_SAID = 1024 * 1024
"""Bytes of a request that are kept to say them again: a batch of a thousand events is half of that."""
_Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def reconnect_proxy(port: int, patience_s: float = _PATIENCE_SECONDS) -> AsyncIterator[int]:
    """Lead to a port of this machine, once it listens; yield the port to connect to in its place."""
    room = asyncio.Semaphore(_MAX_ITEMS)
    leading = set[asyncio.Task[None]]()

    async def lead(caller: _Wire) -> None:
        async with room:
            await _lead(port, caller, patience_s)

    def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(lead((reader, writer)))
        leading.add(task)
        task.add_done_callback(leading.discard)

    server = await asyncio.start_server(admit, LOOPBACK, 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in leading:
            task.cancel()
        await asyncio.gather(*leading, return_exceptions=True)


async def _lead(port: int, caller: _Wire, patience_s: float) -> None:
    said = bytearray()
    deadline = time.monotonic() + patience_s
    try:
        while not await _ask(port, caller, said, deadline):
            pass
    finally:
        caller[1].close()


async def _ask(port: int, caller: _Wire, said: bytearray, deadline: float) -> bool:
    """Lead a caller to the current listener; False where that one ended without a word, and the next may be asked."""
    origin = await _connect(port, deadline)
    if origin is None:
        return True
    asking = asyncio.create_task(_say(caller[0], origin[1], said))
    try:
        answer = await _beginning(origin[0])
        if not answer and 0 < len(said) <= _MAX_SAID and not caller[0].exception() and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)  # who ended may listen for a moment more
            return False
        caller[1].write(answer)
        await asyncio.gather(asking, _pass_on(origin[0], caller[1]))
        return True
    finally:
        origin[1].close()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _connect(port: int, deadline: float) -> _Wire | None:
    while time.monotonic() < deadline:
        try:
            return await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(_POLL_SECONDS)  # another process's state raises no event here
    return None


async def _say(caller: asyncio.StreamReader, origin: asyncio.StreamWriter, said: bytearray) -> None:
    """Say what was said before, then the rest as it comes."""
    origin.write(bytes(said))
    with contextlib.suppress(OSError):
        while piece := await caller.read(_PIECE):
            if len(said) <= _MAX_SAID:
                said += piece
            origin.write(piece)
            await origin.drain()
        origin.write_eof()
        return
    origin.transport.abort()


async def _beginning(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(OSError):
        return await reader.read(_PIECE)
    return b""


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of one direction, and pass the end on too."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        return
    writer.transport.abort()
