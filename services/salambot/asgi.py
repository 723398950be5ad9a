"""The layers around every request, as plain ASGI (a BaseHTTPMiddleware costs a task and a queue a request)."""

import asyncio
import hmac
import time
from collections.abc import Mapping
from functools import cache

import structlog
from opentelemetry.trace import Span
from prometheus_client import Counter
from pydantic import SecretStr
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salambot import sharing, tracing
from salambot.metrics import DURATION, REQUESTS, TTFB, Timing
from salambot.problems import Problem, crashed
from salambot.quotas import Quota
from salambot.signatures import active

BODY_LIMIT = 256 * 1024
WEBHOOK_BODY_LIMIT = 3 * 1024 * 1024
BODY_SECONDS = 20.0
"""How long a whole body may take to arrive."""
INTERNAL_HEADER = "X-SalamBot-Internal"

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_PAGES = frozenset({"/docs"})
"""They load scripts and styles, and are shown on this machine only."""
_QUIET = frozenset({"/health", "/health/ready", "/metrics", "/console/{name}"})
_UNTRACED = ("/health", "/metrics", "/console/", "/internal/spans", "/internal/telemetry/")
"""Who looks leaves no trace."""
_log = structlog.get_logger(__name__)


_hops = Quota(20)
"""The edge tells of every request. The hops behind it tell of what went wrong and, while there is no rush, of the rest:
a request can be followed through all four logs, and a line for each hop costs nothing under load."""


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def _tokens(secret: SecretStr) -> list[bytes]:
    return [part.encode() for part in active(secret.get_secret_value())]


def _is_known(given: str, tokens: list[bytes]) -> bool:
    return any(hmac.compare_digest(given.encode("latin-1"), token) for token in tokens)


class RequestContext:
    """The outermost layer: the ids of the request, its metrics, its log line, and the 500 for a crash."""

    def __init__(self, app: ASGIApp, service: str, *, public: bool, token: SecretStr) -> None:
        self.app = app
        self.service = service
        self.public = public
        self.tokens = _tokens(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sharing.enter(self.service)
        carrier = {str(key, "latin-1"): str(value, "latin-1") for key, value in scope["headers"]}
        quiet = scope["path"].startswith(_UNTRACED)
        with tracing.request_trace(carrier, public=self.public and not self._is_ours(carrier), quiet=quiet) as span:
            answer = _Answer(self.service, scope, send, public=self.public)
            try:
                await self.app(scope, receive, answer.send)
            except ClientDisconnect:
                pass  # nobody is there to be answered, and nothing of ours failed: it counts as 499
            except Exception as error:  # noqa: BLE001 - the last resort: recorded, and answered as a problem
                problem = crashed(error)
                if not answer.status:
                    await problem.response()(scope, receive, answer.send)
            finally:
                status = answer.status or 499  # nginx's "client closed request": it left before there was an answer
                record_request(self.service, scope["method"], route_of(scope), status, answer.started, span)

    def _is_ours(self, carrier: Mapping[str, str]) -> bool:
        """Tell whether the caller belongs to this environment, as its own command does: then its trace goes on."""
        given = carrier.get(INTERNAL_HEADER.lower())
        return given is not None and _is_known(given, self.tokens)


class _Answer:
    """What becomes of one request: adds the ids to the response, measures it."""

    def __init__(self, service: str, scope: Scope, send: Send, *, public: bool) -> None:
        self.service = service
        self.public = public
        self.scope = scope
        self.started = time.perf_counter()
        self.status = 0
        self._send = send
        self._first_byte_due = True
        scope["salambot.started"] = self.started

    async def send(self, message: Message) -> None:
        """Pass one message of the response on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            for name, value in tracing.propagate().items():
                headers.append((name.lower().encode(), value.encode()))
            if self.public:
                self._secure(headers)
            self._first_byte_due = (b"content-type", b"text/event-stream; charset=utf-8") not in headers
        elif self._first_byte_due and message.get("body"):
            self._first_byte_due = False
            observe_first_byte(self.service, self.scope)
        await self._send(message)

    def _secure(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Say that an answer of the edge is for the caller alone: no guessing of its type, no frame, no cache."""
        headers.extend(_SECURITY_HEADERS)
        own = any(name == b"content-security-policy" for name, _ in headers)
        if self.scope["path"] not in _PAGES and not own:
            headers.append(_POLICY)
        if not any(name.lower() == b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"no-store"))


def record_request(service: str, method: str, route: str, status: int, started: float, span: Span) -> None:
    """Count, log and trace a request once it is over; `started` is of `time.perf_counter`."""
    seconds = time.perf_counter() - started
    count, duration = _request_metrics(service, route, status)
    count.inc()
    duration.observe(seconds)
    if route not in _QUIET and (status >= 400 or not route.startswith("/internal/") or _hops.allows(started + seconds)):
        _log.info("request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 1))
    if span.is_recording():
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
        if status >= 500:
            tracing.fail(span, str(status))


def route_of(scope: Scope) -> str:
    """Return the template of the route that serves this request, `unmatched` where none does."""
    return getattr(scope.get("route"), "path", "unmatched")


def observe_first_byte(service: str, scope: Scope) -> None:
    """Measure the time from the request received to now; a stream calls this at its first piece of text."""
    _ttfb_metric(service, route_of(scope)).observe(time.perf_counter() - scope["salambot.started"])


@cache
def _request_metrics(service: str, route: str, status: int) -> tuple[Counter, Timing]:
    """Return the metrics of these labels. To look them up costs more than to count; routes and statuses are few."""
    return REQUESTS.labels(service, route, status), Timing(DURATION.labels(service, route, status))


@cache
def _ttfb_metric(service: str, route: str) -> Timing:
    return Timing(TTFB.labels(service, route))


class BodyLimit:
    """Refuse a body that is too large, by what it announces and by what really arrives, or that comes too slowly.

    The limit of Starlette answers in plain text and is one for all paths.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = WEBHOOK_BODY_LIMIT if scope["path"].startswith("/v1/webhooks/") else BODY_LIMIT
        announced = _header(scope, b"content-length")
        too_large = Problem(413, "body_too_large", f"A body may have at most {limit} bytes here.")
        if announced is not None and announced.isdigit() and int(announced) > limit:
            await too_large.response()(scope, receive, send)
            return
        arrived, complete = 0, False
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS

        async def count() -> Message:
            nonlocal arrived, complete
            if complete:  # what comes now is that the caller left, whenever that is
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                detail = f"The body did not arrive within {BODY_SECONDS:.0f} s."
                raise Problem(408, "body_too_slow", detail, headers={"Connection": "close"}) from error
            complete = not message.get("more_body", False)
            arrived += len(message.get("body", b""))
            if arrived > limit:
                raise too_large
            return message

        await self.app(scope, count, send)


class InternalGuard:
    """Refuse `/internal/*` to callers that do not know the environment's own token; two hold during a rotation."""

    def __init__(self, app: ASGIApp, token: SecretStr) -> None:
        self.app = app
        self.tokens = _tokens(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith("/internal/"):
            given = _header(scope, INTERNAL_HEADER.lower().encode()) or ""
            if not _is_known(given, self.tokens):
                challenge = {"WWW-Authenticate": INTERNAL_HEADER}
                detail = "Only the services of this environment call here."
                problem = Problem(401, "internal_only", detail, headers=challenge)
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)
