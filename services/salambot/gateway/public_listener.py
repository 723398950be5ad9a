"""The listener for a tunnel: the public sees the webhooks, the widget where it is published, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salambot.core.problems import Problem
from salambot.http.listener import Listener, listener_config

WEBHOOKS = "/v1/webhooks/"


class PublicPathsOnly:
    """Serve what is published, one request a connection; everything else does not exist.

    A proxy cannot send its next request on a connection that is about to be closed: it has none to send it on.
    """

    def __init__(self, app: ASGIApp, published: tuple[str, ...]) -> None:
        self.app = app
        self.published = published

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        if scope["type"] == "http" and scope["path"].startswith(self.published):
            await self.app(scope, receive, send_last)
        elif scope["type"] == "http":
            await Problem(404, "not_found", "Not Found.").response()(scope, receive, send_last)


@asynccontextmanager
async def serve_public(
    app: ASGIApp, host: str, port: int, published: tuple[str, ...] = (WEBHOOKS,)
) -> AsyncIterator[None]:
    """Serve the paths of `app` that begin with one of `published` at `host:port` for as long as the context lasts."""
    server = Listener(listener_config(PublicPathsOnly(app, published), host, port, has_lifespan=False))
    serving = asyncio.create_task(server.serve())
    await server.listens.wait()
    try:
        yield
    finally:
        server.should_exit = True
        await serving
