"""The web chat widget: `/widget.js` for any site's page, and the public channel behind it for listed origins."""

from functools import cache
from pathlib import Path
from typing import Annotated

import orjson
from fastapi import FastAPI, Request
from pydantic import Field, StringConstraints
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from salambot.core import tracing
from salambot.core.problems import Problem
from salambot.core.schemas import (
    SCHEMA_VERSION,
    GenerateRequest,
    Identifier,
    Locale,
    Message,
    Prompt,
    Reply,
    Turn,
    WrittenText,
    utc_now,
)
from salambot.gateway.auth import read_bearer
from salambot.gateway.dependencies import GatewayDependencies
from salambot.gateway.generate import ReplyHandler, respond
from salambot.gateway.rate_limit import TenantRateLimiter
from salambot.gateway.request_parsing import parse_body, require_json
from salambot.gateway.visitor_tokens import LIFETIME_SECONDS, VisitorTokens
from salambot.gateway.widget_settings import WidgetSettings, WidgetSite
from salambot.http.application import add_hot_route

SCRIPT = "/widget.js"
PREFIX = "/v1/widget/"
PREVIEW = "preview"
"""The site key of the console's preview: on the developer's own machine, for the gateway's own pages."""
_SCRIPT_HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_PREFLIGHT_SECONDS = 600


class VisitorPrompt(Prompt):
    """A visitor's message; shorter than what callers with a token may send."""

    prompt: Annotated[WrittenText, StringConstraints(max_length=2_000)]
    context: Annotated[list[Turn], Field(max_length=20, default_factory=list)]


class VisitorMessage(Message):
    """`POST /v1/widget/{site}/reply`."""

    message_id: Identifier
    locale: Locale | None = None
    data: VisitorPrompt


class WidgetCors:
    """CORS for exactly the origins of each site. It wraps everything, so that a page can read errors too."""

    def __init__(self, app: ASGIApp, sites: tuple[WidgetSite, ...]) -> None:
        self.app = app
        self._by_key = {
            site.key: CORSMiddleware(
                app,
                allow_origins=sorted(site.origins),
                allow_methods=["POST"],
                allow_headers=["Authorization", "Content-Type"],
                expose_headers=["Retry-After"],
                max_age=_PREFLIGHT_SECONDS,
            )
            for site in sites
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope["path"] if scope["type"] == "http" else ""
        key = path.removeprefix(PREFIX).partition("/")[0] if path.startswith(PREFIX) else ""
        await self._by_key.get(key, self.app)(scope, receive, send)


class Widget:
    """The endpoints of the widget."""

    def __init__(self, edge: GatewayDependencies) -> None:
        settings = edge.settings
        secret = settings.user_hash_key or settings.internal_token
        self._edge = edge
        self._sites = {site.key: site for site in settings.widget.sites}
        self._preview = settings.is_development and settings.allow_dev_token
        self._tokens = VisitorTokens(secret)
        self._messages = self._limiter("chat", settings.widget, secret.get_secret_value())
        self._visits = self._limiter("visit", settings.widget, secret.get_secret_value())

    def _limiter(self, name: str, widget: WidgetSettings, key: str) -> TenantRateLimiter:
        return TenantRateLimiter(name, widget.site_rate, self._edge.redis, client=widget.visitor_rate, key=key.encode())

    async def script(self, _: Request) -> Response:
        """Send the script; where no site may show it there is none."""
        if not self._sites and not self._preview:
            raise Problem(404, "not_found", "Not Found.")
        return Response(widget_script(), headers=_SCRIPT_HEADERS, media_type="text/javascript")

    async def start(self, request: Request) -> Response:
        """Give a new visitor a token; raises Problem."""
        site, origin = self._admit(request)
        await self._visits.hit(site.key, self._edge.peers.address(request.scope))
        token = {"token": self._tokens.issue(site.key, origin), "expires_in": LIFETIME_SECONDS}
        return Response(orjson.dumps({"schema_version": SCHEMA_VERSION, **token}), media_type="application/json")

    async def reply(self, request: Request) -> Response:
        """Answer a visitor, as JSON or streamed; raises Problem."""
        site, origin = self._admit(request)
        visitor = self._tokens.verify(read_bearer(request.headers.getlist("Authorization")), site.key, origin)
        require_json(request)
        message = parse_body(VisitorMessage, await request.body())
        await self._messages.hit(site.key, visitor)
        asked = GenerateRequest(
            schema_version=SCHEMA_VERSION,
            tenant=site.tenant,
            channel="webchat",
            message_id=message.message_id,
            correlation_id=tracing.correlation_id(),
            timestamp=utc_now(),
            locale=message.locale,
            data=message.data,
        )
        return await respond(VisitorReplyHandler(self._edge, request, asked, None, self._messages.policy))

    def _admit(self, request: Request) -> tuple[WidgetSite, str]:
        """Return the site and the origin that asks; raises Problem 403 or 404."""
        key, origins = request.path_params["site"], request.headers.getlist("Origin")
        origin = origins[0] if len(origins) == 1 else ""
        site = self._sites.get(key) or self._previewed(key, request)
        if site is None:
            raise Problem(404, "unknown_site", "No site here has this key.")
        if origin not in site.origins:
            raise Problem(403, "origin_not_allowed", "The page's origin is not among those of this site.")
        return site, origin

    def _previewed(self, key: str, request: Request) -> WidgetSite | None:
        if key != PREVIEW or not self._preview or not self._edge.peers.is_local(request.scope):
            return None
        own = f"{request.url.scheme}://{request.headers['host']}"
        return WidgetSite(key=PREVIEW, tenant=self._edge.settings.tenant, origins=frozenset({own}))


class VisitorReplyHandler(ReplyHandler):
    """A reply for the public: it names its sources, and not where they are stored."""

    def encode(self, reply: Reply) -> bytes:
        """Encode the reply."""
        shown = [citation.model_copy(update={"uri": ""}) for citation in reply.citations]
        return super().encode(reply.model_copy(update={"citations": shown}))


@cache
def widget_script() -> bytes:
    """Return the script that a site's page loads."""
    return (Path(__file__).parent / "static" / "widget.js").read_bytes()


def add_widget(app: FastAPI, edge: GatewayDependencies) -> None:
    """Add the widget's routes, and CORS for its sites."""
    widget = Widget(edge)
    app.add_api_route(SCRIPT, widget.script, methods=["GET", "HEAD"], include_in_schema=False)
    add_hot_route(app, f"{PREFIX}{{site}}/session", widget.start)
    add_hot_route(app, f"{PREFIX}{{site}}/reply", widget.reply, edge.admission.slot)
    app.add_middleware(WidgetCors, sites=edge.settings.widget.sites)
