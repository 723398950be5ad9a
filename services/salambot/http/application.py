"""The FastAPI application that the four services share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from salambot import telemetry
from salambot.core import logs, problems, process_services
from salambot.core.health import Check, add_routes, current_version
from salambot.core.settings import ServiceSettings
from salambot.http.middleware import BodyLimit, InternalGuard, RequestContext
from salambot.rpc.reply_endpoint import http_response
from salambot.rpc.server import Endpoint, EndpointRegistry

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Handler = Callable[[Request], Awaitable[Response]]
Gate = Callable[[], AbstractContextManager[None]]
"""A context manager held from before the handler runs until the response is sent; raises Problem."""
__all__ = ["Check", "Gate", "Lifespan", "add_exchange", "add_hot_route", "service_app"]


def service_app(
    name: str,
    settings: ServiceSettings,
    *,
    lifespan: Lifespan,
    checks: Sequence[Check] = (),
    public: bool = False,
) -> FastAPI:
    """Build a service: problems, ids, limits, health, readiness (`checks`), metrics, the guard of `/internal/*`.

    `public` is for the edge: a new trace begins there, and the API's pages are served.
    """
    logs.configure(settings, name)
    telemetry.start(name)
    app = FastAPI(
        title=f"SalamBot {name}",
        version=current_version(),
        lifespan=_flushed(name, lifespan),
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if public else None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    problems.install(app)
    app.add_middleware(InternalGuard, token=settings.internal_token)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestContext, service=name, public=public, token=settings.internal_token)
    add_routes(app, name, checks)
    app.state.exchanges = EndpointRegistry(name, settings.internal_token)
    return app


def _flushed(name: str, lifespan: Lifespan) -> Lifespan:
    """Flush pending telemetry before the service stops."""

    @asynccontextmanager
    async def flushed(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with lifespan(app):
                yield
                await process_services.wait_for_dependents(name)
            process_services.mark_stopped(name)
        finally:
            await asyncio.to_thread(telemetry.stop, name)

    return flushed


def add_exchange(app: FastAPI, path: str, exchange: Endpoint) -> None:
    """Offer an internal endpoint on the service's lanes, and to whoever prefers plain HTTP."""

    async def over_http(request: Request) -> Response:
        return await http_response(request, exchange)

    exchanges: EndpointRegistry = app.state.exchanges
    exchanges.register(path, exchange)
    add_hot_route(app, path, over_http)


def add_hot_route(app: FastAPI, path: str, handler: Handler, gate: Gate = nullcontext) -> None:
    """Serve `POST path` past FastAPI's own layers, which cost a tenth of a request and do nothing for these handlers.

    The layers of `service_app` and the problems stay. A route of FastAPI at the same path only documents it.
    """
    app.router.routes.insert(0, _HotRoute(path, handler, gate))


class _HotRoute(Route):
    """A POST route of one handler, called without Starlette's wrappers; metrics know it by its path."""

    def __init__(self, path: str, handler: Handler, gate: Gate) -> None:
        super().__init__(path, handler, methods=["POST"], include_in_schema=False)
        self._handler = handler
        self._gate = gate

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as Starlette does, and set the route name as FastAPI does."""
        match, found = super().matches(scope)
        return match, {**found, "route": self}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; another method than POST is a 405."""
        if scope["method"] != "POST":
            await super().handle(scope, receive, send)
            return
        with self._gate():
            response = await self._handler(Request(scope, receive, send))
            await response(scope, receive, send)
