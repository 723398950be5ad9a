"""The listener for a tunnel: the public sees the webhooks, and nothing else of the gateway."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from salambot.problems import Problem

PUBLISHED = "/v1/webhooks/"


class PublicPaths:
    """Serve what is published; everything else does not exist."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(PUBLISHED):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await Problem(404, "not_found", "Not Found.").response()(scope, receive, send)


class _Listener(uvicorn.Server):
    """A second listener of one process: the first one takes the signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: ASGIApp, host: str, port: int) -> AsyncIterator[None]:
    """Serve the published paths of `app` at `host:port` for as long as the context lasts."""
    config = uvicorn.Config(
        PublicPaths(app),
        host=host,
        port=port,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )
    server = _Listener(config)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving
