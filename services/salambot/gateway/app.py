"""The public edge: who may ask, how often, in which shape; then the services behind it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

from fastapi import FastAPI, Request
from starlette.responses import Response

from salambot.console.guard import LocalGuard
from salambot.console.routes import add_console
from salambot.core import redis_client
from salambot.core.health import Check
from salambot.core.schemas import GenerateRequest, GenerateResponse, SearchRequest, SearchResponse
from salambot.gateway import generate, search
from salambot.gateway.client_address import LocalOnlyMiddleware
from salambot.gateway.dependencies import GatewayDependencies
from salambot.gateway.developer_console import create_console
from salambot.gateway.docs_page import add_docs_page
from salambot.gateway.openapi import describe, operation
from salambot.gateway.public_listener import WEBHOOKS, serve_public
from salambot.gateway.settings import GatewaySettings
from salambot.gateway.widget import PREFIX, SCRIPT, add_widget
from salambot.http.application import add_hot_route, service_app
from salambot.webhooks.channels import CHANNELS


def create_app(settings: GatewaySettings | None = None) -> FastAPI:
    """Build the gateway; raises ValidationError when its environment is wrong."""
    edge = GatewayDependencies.create(settings or GatewaySettings())
    console = create_console(edge)

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
    redis_client.install(app)
    _add_routes(app, edge)
    describe(app)
    add_docs_page(app)
    add_widget(app, edge)
    if console is not None:
        add_console(app, console, LocalGuard(edge.peers))
    app.add_middleware(LocalOnlyMiddleware, peers=edge.peers)
    return app


def _ingress(app: FastAPI, edge: GatewayDependencies) -> AbstractAsyncContextManager[None]:
    port = edge.settings.ingress_port
    published = (WEBHOOKS, PREFIX, SCRIPT) if edge.settings.widget.tunnel else (WEBHOOKS,)
    return serve_public(app, edge.settings.ingress_host, port, published) if port is not None else nullcontext()


def _add_routes(app: FastAPI, edge: GatewayDependencies) -> None:
    @app.post("/v1/generate/reply", **operation(GenerateRequest, GenerateResponse, streams=True))
    async def generate_reply(request: Request) -> Response:
        """Answer a customer's prompt from the tenant's documents, with citations, in the language of the prompt."""
        return await generate.reply(edge, request)

    @app.post("/v1/search/query", **operation(SearchRequest, SearchResponse, streams=False))
    async def search_query(request: Request) -> Response:
        """Find the passages of the tenant's documents that fit a query best."""
        return await search.query(edge, request)

    add_hot_route(app, "/v1/generate/reply", generate_reply, edge.admission.slot)
    add_hot_route(app, "/v1/search/query", search_query, edge.admission.slot)

    @app.get("/v1/webhooks/{channel}", include_in_schema=False)
    async def shake_hands(channel: str, request: Request) -> Response:
        """Prove to Meta that this address is ours."""
        return await edge.webhooks.verify_subscription(channel, request)

    @app.post("/v1/webhooks/{channel}", include_in_schema=False)
    async def receive(channel: str, request: Request) -> Response:
        """Take in what happened in a channel."""
        return await edge.webhooks.receive(channel, request)

    for name in CHANNELS:
        add_hot_route(app, f"/v1/webhooks/{name}", partial(edge.webhooks.receive, name))
