"""ASGI middleware of every service. (BaseHTTPMiddleware would cost a task and a queue per request.)"""

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

from salambot.core import process_services, tracing
from salambot.core.metrics import DURATION, REQUESTS, TTFB, TimedHistogram
from salambot.core.problems import Problem, crashed
from salambot.core.quotas import RateLimiter
from salambot.core.signatures import active_values

BODY_LIMIT = 256 * 1024
WEBHOOK_BODY_LIMIT = 3 * 1024 * 1024
BODY_SECONDS = 20.0
"""Time limit for a whole request body, in seconds."""
INTERNAL_HEADER = "X-SalamBot-Internal"

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_PAGES = frozenset({"/docs"})
"""Pages that load scripts and styles. They are served to this machine only."""
_QUIET = frozenset({"/health", "/health/ready", "/metrics", "/console/{name}"})
_UNTRACED = ("/health", "/metrics", "/console/", "/internal/spans", "/internal/telemetry/")
"""Not traced: health checks, metrics and telemetry reads."""
_log = structlog.get_logger(__name__)


_hops = RateLimiter(20)
"""The edge logs every request. Inner services log errors, and other requests only while the rate is low."""


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def _tokens(secret: SecretStr) -> list[bytes]:
    return [part.encode() for part in active_values(secret.get_secret_value())]


def _is_known(given: str, tokens: list[bytes]) -> bool:
    return any(hmac.compare_digest(given.encode("latin-1"), token) for token in tokens)


class RequestContext:
    """The outermost middleware: request ids, metrics, log line, and a 500 problem for an unhandled exception."""

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
        process_services.set_current_service(self.service)
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
        """Return whether the caller belongs to this environment, as its own command does: then its trace continues."""
        given = carrier.get(INTERNAL_HEADER.lower())
        return given is not None and _is_known(given, self.tokens)


class _Answer:
    """Wraps one response: adds the ids and measures it."""

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
        """Forward one ASGI message of the response."""
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
        """Add security headers to public responses: no sniffing, no framing, no caching."""
        named = {name.lower() for name, _ in headers}
        headers.extend(header for header in _SECURITY_HEADERS if header[0] not in named)
        if self.scope["path"] not in _PAGES and b"content-security-policy" not in named:
            headers.append(_POLICY)
        if b"cache-control" not in named:
            headers.append((b"cache-control", b"no-store"))


def record_request(service: str, method: str, route: str, status: int, started: float, span: Span) -> None:
    """Record metrics, log line and trace of a finished request; `started` is of `time.perf_counter`."""
    seconds = time.perf_counter() - started
    count, duration = _request_metrics(service, route, status)
    count.inc()
    duration.observe(seconds)
    if route not in _QUIET and (
        status >= 400 or not route.startswith("/internal/") or _hops.try_acquire(started + seconds)
    ):
        _log.info("request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 1))
    if span.is_recording():
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
        if status >= 500:
            tracing.record_error(span, str(status))


def route_of(scope: Scope) -> str:
    """Return the route template of this request, or `unmatched`."""
    return getattr(scope.get("route"), "path", "unmatched")


def observe_first_byte(service: str, scope: Scope) -> None:
    """Record the time to first byte; a stream calls this at its first delta."""
    _ttfb_metric(service, route_of(scope)).observe(time.perf_counter() - scope["salambot.started"])


@cache
def _request_metrics(service: str, route: str, status: int) -> tuple[Counter, TimedHistogram]:
    """Return the metrics with these labels, cached: looking them up costs more than counting."""
    return REQUESTS.labels(service, route, status), TimedHistogram(DURATION.labels(service, route, status))


@cache
def _ttfb_metric(service: str, route: str) -> TimedHistogram:
    return TimedHistogram(TTFB.labels(service, route))


class BodyLimit:
    """Refuse a body that is too large, by Content-Length and by the bytes that arrive, or too slow.

    Starlette's own limit answers in plain text and is the same for all paths.
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
    """Refuse `/internal/*` without the environment's internal token. During a rotation two tokens are valid."""

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
