"""The public edge: who may ask, how often, in which shape; then the services behind it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

from fastapi import FastAPI, Request
from starlette.responses import Response

from salambot import cache
from salambot.application import add_hot_route, service_app
from salambot.channels import CHANNELS
from salambot.console.guard import Guard
from salambot.console.routes import add_console
from salambot.gateway import generate, search
from salambot.gateway.developer import console_of
from salambot.gateway.docs_page import add_docs_page
from salambot.gateway.edge import Edge
from salambot.gateway.ingress import listening
from salambot.gateway.openapi import describe, operation
from salambot.gateway.peers import LocalPages
from salambot.gateway.settings import GatewaySettings
from salambot.health import Check
from salambot.messages import GenerateRequest, GenerateResponse, SearchRequest, SearchResponse


def create_app(settings: GatewaySettings | None = None) -> FastAPI:
    """Build the gateway; raises ValidationError when its environment is wrong."""
    edge = Edge.of(settings or GatewaySettings())
    console = console_of(edge)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with edge.webhooks, _ingress(app, edge):
            yield
        await edge.close()
        if console is not None:
            await console.close()

    async def ping() -> None:
        await edge.redis.ping()

    checks = (
        Check("redis", ping),
        Check("orchestrateur", edge.orchestrateur.check),
        Check("rag", edge.rag.check),
    )
    app = service_app("gateway", edge.settings, lifespan=lifespan, checks=checks, public=True)
    cache.install(app)
    _add_routes(app, edge)
    describe(app)
    add_docs_page(app)
    if console is not None:
        add_console(app, console, Guard(edge.peers))
    app.add_middleware(LocalPages, peers=edge.peers)
    return app


def _ingress(app: FastAPI, edge: Edge) -> AbstractAsyncContextManager[None]:
    port = edge.settings.ingress_port
    return listening(app, edge.settings.ingress_host, port) if port is not None else nullcontext()


def _add_routes(app: FastAPI, edge: Edge) -> None:
    @app.post("/v1/generate/reply", **operation(GenerateRequest, GenerateResponse, streams=True))
    async def generate_reply(request: Request) -> Response:
        """Answer a customer's prompt from the tenant's documents, with citations, in the language of the prompt."""
        return await generate.reply(edge, request)

    @app.post("/v1/search/query", **operation(SearchRequest, SearchResponse, streams=False))
    async def search_query(request: Request) -> Response:
        """Find the passages of the tenant's documents that fit a query best."""
        return await search.query(edge, request)

    add_hot_route(app, "/v1/generate/reply", generate_reply, edge.admission.admitted)
    add_hot_route(app, "/v1/search/query", search_query, edge.admission.admitted)

    @app.get("/v1/webhooks/{channel}", include_in_schema=False)
    async def shake_hands(channel: str, request: Request) -> Response:
        """Prove to Meta that this address is ours."""
        return await edge.webhooks.shake_hands(channel, request)

    @app.post("/v1/webhooks/{channel}", include_in_schema=False)
    async def receive(channel: str, request: Request) -> Response:
        """Take in what happened in a channel."""
        return await edge.webhooks.receive(channel, request)

    for name in CHANNELS:
        add_hot_route(app, f"/v1/webhooks/{name}", partial(edge.webhooks.receive, name))
