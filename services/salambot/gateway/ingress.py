"""The listener for a tunnel: the public sees the webhooks, and nothing else of the gateway."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salambot.listeners import listener_config
from salambot.problems import Problem

PUBLISHED = "/v1/webhooks/"


class PublicPaths:
    """Serve what is published, one request a connection; everything else does not exist.

    A proxy cannot send its next request on a connection that is about to be closed: it has none to send it on.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        if scope["type"] == "http" and scope["path"].startswith(PUBLISHED):
            await self.app(scope, receive, send_last)
        elif scope["type"] == "http":
            await Problem(404, "not_found", "Not Found.").response()(scope, receive, send_last)


class _Listener(uvicorn.Server):
    """A second listener of one process: the first one takes the signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. A port that is taken ends the process, as it does for the first listener."""
        await super().startup(sockets)
        self.listens.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: ASGIApp, host: str, port: int) -> AsyncIterator[None]:
    """Serve the published paths of `app` at `host:port` for as long as the context lasts."""
    server = _Listener(listener_config(PublicPaths(app), host, port, has_lifespan=False))
    serving = asyncio.create_task(server.serve())
    await server.listens.wait()
    try:
        yield
    finally:
        server.should_exit = True
        await serving
