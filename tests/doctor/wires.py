"""Servers that go wrong in one way each: silent, mute, refusing, in another protocol, with another certificate."""

import asyncio
import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from aiohttp import web

from salambot_cli.host.ports import free_port

LOOPBACK = "127.0.0.1"
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def closed_port() -> int:
    """Return a port where nothing listens; none that the kernel would give to another test the next moment."""
    return free_port()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port whose queue is full: SYN packets are dropped, as a security group would."""
    listener = socket.socket()
    listener.bind((LOOPBACK, 0))
    listener.listen(0)
    port = int(listener.getsockname()[1])
    waiting = []
    try:
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect((LOOPBACK, port))
            waiting.append(client)
        yield port
    finally:
        for client in waiting:
            client.close()
        listener.close()


@asynccontextmanager
async def talking(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve connections with a coroutine; yield the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(served, LOOPBACK, 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept, read, and never answer."""
    del writer
    while await reader.read(1024):
        pass


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read something and close."""
    del writer
    await reader.read(1)


def says(answer: bytes) -> Talk:
    """Answer whatever comes with the same bytes, then close."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(answer)
        await writer.drain()

    return talk


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.close()


def forwards(port: int, tls: ssl.SSLContext | None = None, *, postgres: bool = False, asleep: int = 0) -> Talk:
    """Pass everything on to a plain server; with `postgres`, agree to SSLRequest and terminate TLS first.

    The first `asleep` requests get no answer, however long whoever asked waits.
    """
    requests = itertools.count()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if postgres and tls is not None:
            head = await reader.readexactly(8)
            if head != SSL_REQUEST:
                return
            if next(requests) < asleep:
                await reader.read()
                return
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(tls)
        back_reader, back_writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            await asyncio.gather(_copy(reader, back_writer), _copy(back_reader, writer))
        finally:
            back_writer.close()

    return talk


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def http(handler: Handler, port: int = 0, host: str = LOOPBACK) -> AsyncIterator[int]:
    """Serve every path with one handler; yield the port."""
    app = web.Application(client_max_size=1 << 20)
    app.router.add_route("*", "/{path:.*}", handler)
    async with application(app, port, host) as bound:
        yield bound


@asynccontextmanager
async def application(app: web.Application, port: int = 0, host: str = LOOPBACK) -> AsyncIterator[int]:
    """Serve an aiohttp application; yield the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    try:
        yield int(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]
    finally:
        await runner.cleanup()


def answers(status: int, body: object = None, **headers: str) -> Handler:
    """Answer every request alike."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body if body is not None else {}, status=status, headers=named)

    return handle
