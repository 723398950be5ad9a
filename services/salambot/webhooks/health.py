"""`/health`, `/health/ready` and `/metrics` of the worker, without the web framework of the services."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
from aiohttp import web
from prometheus_client import REGISTRY

from salambot.core.metrics import exposition
from salambot.core.schemas import utc_now, utc_text

_STOP_SECONDS = 1.0


@asynccontextmanager
async def serve_health(host: str, port: int, is_ready: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """Answer at `host:port` for as long as the context lasts."""

    def describe(status: str) -> bytes:
        return orjson.dumps({"status": status, "service": "worker", "time": utc_text(utc_now())})

    async def health(_: web.Request) -> web.Response:
        return web.Response(body=describe("ok"), content_type="application/json")

    async def ready(_: web.Request) -> web.Response:
        if await is_ready():
            return web.Response(body=describe("ok"), content_type="application/json")
        return web.Response(status=503, body=describe("down"), content_type="application/json")

    async def metrics(request: web.Request) -> web.Response:
        content, content_type = exposition(REGISTRY, request.headers.get("accept"))
        return web.Response(body=content, headers={"Content-Type": content_type})

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/health/ready", ready), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
