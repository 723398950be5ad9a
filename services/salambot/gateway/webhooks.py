"""`/v1/webhooks/{channel}`: verify, store, acknowledge. The worker replies."""

import asyncio
import hashlib
import hmac
from collections import Counter as Tally
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import orjson
import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from salambot.core import database, tracing
from salambot.core.database import DatabaseUnavailableError
from salambot.core.problems import Problem
from salambot.core.schemas import utc_now, utc_text
from salambot.core.signatures import active_values
from salambot.gateway.client_address import TrustedProxies
from salambot.gateway.rate_limit import TenantRateLimiter
from salambot.gateway.settings import GatewaySettings
from salambot.gateway.unverified import UnverifiedBodies
from salambot.webhooks import channels
from salambot.webhooks.channels.base import (
    Channel,
    InboundMessage,
    InvalidBodyError,
    InvalidSignatureError,
    ParsedWebhook,
)
from salambot.webhooks.inbox_writer import InboxWriter, NewMessage, Stored, from_inbound
from salambot.webhooks.queue import Dispatcher
from salambot.webhooks.rejections import Rejection, RejectionLog, Verdict

_FUTURE = timedelta(minutes=5)
_COUNT_SECONDS = 1.0
"""How long a refusal waits to be counted: a Redis that hangs must not keep the connections of strangers open."""
_WEBHOOKS = Counter(
    "salambot_webhooks", "Messages and events of webhooks, by what became of them", ("channel", "verdict")
)
_REFUSED = Counter("salambot_webhook_refusals", "Webhooks whose signature was refused", ("channel", "cause"))
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TriagedMessages:
    """The messages of one webhook to store, and the number dropped here."""

    arrivals: list[NewMessage]
    dropped: "Tally[Verdict]"


class WebhookReceiver:
    """Receives webhooks: use it as an async context manager."""

    def __init__(self, settings: GatewaySettings, redis: Redis, peers: TrustedProxies) -> None:
        self._settings = settings
        self._peers = peers
        self._refusals = TenantRateLimiter("webhook", settings.webhook_refusal_rate, redis)
        self._verdicts = RejectionLog(redis)
        self._dispatcher = Dispatcher(settings.redis_url.get_secret_value())
        self._hash_key = (settings.user_hash_key or settings.internal_token).get_secret_value().encode()
        self._bodies = UnverifiedBodies()
        self._intake: InboxWriter | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self._settings.postgres_url is not None:
            url = self._settings.postgres_url.get_secret_value()
            pool = await database.connect(url, ca=self._settings.postgres_ca, max_size=4)
            self._stack.callback(pool.terminate)
            self._intake = InboxWriter(pool)
            self._stack.push_async_callback(self._intake.close)
        for chore in (self._verdicts.run(), self._dispatcher.run()):
            self._stack.callback(asyncio.create_task(chore).cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def verify_subscription(self, name: str, request: Request) -> Response:
        """Answer Meta's handshake with its challenge; raises Problem 403, 404, 429 or 503."""
        channel = _channel(name)
        if not channel.shakes_hands:
            raise Problem(405, "method_not_allowed", "This channel has no handshake.", headers={"Allow": "POST"})
        secret = self._settings.meta_verify_token
        expected = active_values(secret.get_secret_value()) if secret is not None else ()
        if not expected:
            raise _not_configured(name)
        given = request.query_params.get("hub.verify_token", "").encode()
        agrees = sum(hmac.compare_digest(token.encode(), given) for token in expected) > 0
        challenge = request.query_params.get("hub.challenge")
        if request.query_params.get("hub.mode") != "subscribe" or not agrees or challenge is None:
            await self._count_refusal(request)
            raise Problem(403, "verification_failed", "This is not the handshake of this channel.")
        return PlainTextResponse(challenge, headers={"X-Content-Type-Options": "nosniff"})

    async def receive(self, name: str, request: Request) -> Response:
        """Receive a webhook; raises Problem 400, 401, 404, 413, 415, 422, 429 or 503."""
        channel = _channel(name)
        secrets = channel.secrets(self._settings)
        if not secrets:
            raise _not_configured(name)
        with tracing.start_step("webhook.accept", {"salambot.channel": channel.name}):
            return await self._accept(channel, secrets, request)

    async def _accept(self, channel: Channel, secrets: tuple[str, ...], request: Request) -> Response:
        async with self._refusing(channel, request):
            channel.check_headers(secrets, request.headers)
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Problem(415, "unsupported_encoding", "The body must not be compressed.")
        async with self._bodies.read(request) as body, self._refusing(channel, request):
            now = utc_now()
            channel.verify(secrets, request.headers, body, now)
        try:
            parsed = channel.parse(request.headers, body)
        except InvalidBodyError as error:
            raise Problem(error.status, error.code, error.detail) from error
        found = self._sort(channel, [*parsed.messages, *parsed.events], now)
        found.dropped["ignored"] += parsed.ignored
        stored = await self._store(found.arrivals)
        found.dropped["duplicate"] += sum(one.is_message for one in found.arrivals) - len(stored)
        self._dispatcher.put({(tenant, name, party) for (tenant, name, _), party in stored.items()})
        self._tell_causes(channel.name, parsed)
        return self._acknowledge(channel.name, len(stored), found.dropped)

    @asynccontextmanager
    async def _refusing(self, channel: Channel, request: Request) -> AsyncIterator[None]:
        """Turn a refused signature into a Problem 401, counted for its sender."""
        try:
            yield
        except InvalidSignatureError as error:
            _REFUSED.labels(channel.name, error.cause).inc()
            _WEBHOOKS.labels(channel.name, "rejected").inc()
            await self._count_refusal(request)
            _log.warning("webhook refused", channel=channel.name, cause=error.cause)
            self._note(channel.name, "rejected", error.cause, 1)
            raise Problem(401, error.code, error.detail, headers=_CHALLENGE) from error

    async def _count_refusal(self, request: Request) -> None:
        """Raise Problem 429 after too many refusals of this address. A valid signature is never rate-limited here."""
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(_COUNT_SECONDS):
                await self._refusals.hit(self._hashed(self._peers.address(request.scope)))

    def _hashed(self, address: str) -> str:
        return hmac.new(self._hash_key, address.encode(), hashlib.sha256).hexdigest()[:32]

    def _sort(self, channel: Channel, messages: list[InboundMessage], now: datetime) -> TriagedMessages:
        found = TriagedMessages([], Tally())
        oldest = now - timedelta(seconds=self._settings.webhook_max_age_s or channel.max_age_s)
        traceparent, correlation = tracing.propagate()["traceparent"], tracing.correlation_id()
        for message in messages:
            tenant = self._tenant_of(channel, message.account)
            is_counted = message.kind in {"text", "unsupported"}
            if tenant is None:
                found.dropped["unknown_account"] += is_counted
            elif not oldest <= message.sent_at <= now + _FUTURE:
                found.dropped["stale"] += is_counted
            else:
                found.arrivals.append(
                    from_inbound(
                        message,
                        tenant=tenant,
                        channel=channel.name,
                        key=self._hash_key,
                        traceparent=traceparent,
                        correlation=correlation,
                        keep=self._settings.webhook_keep_bodies,
                    )
                )
        return found

    def _tenant_of(self, channel: Channel, account: str) -> str | None:
        if channel.names_tenants:
            return account if self._settings.has_tenant(account) else None
        return self._settings.tenant_of(channel.name, account)

    async def _store(self, arrivals: list[NewMessage]) -> Stored:
        if not arrivals:
            return {}
        if self._intake is None:
            raise Problem(503, "channel_not_configured", "This environment has no database to keep webhooks in.")
        try:
            return await self._intake.store(arrivals)
        except DatabaseUnavailableError as error:
            _log.warning("webhook cannot be stored", messages=len(arrivals), exc_info=error)
            raise database.database_problem() from error

    def _acknowledge(self, name: str, accepted: int, dropped: "Tally[Verdict]") -> Response:
        if accepted:
            _WEBHOOKS.labels(name, "accepted").inc(accepted)
        for verdict, count in dropped.items():
            if count:
                _WEBHOOKS.labels(name, verdict).inc(count)
                self._note(name, verdict, "", count)
        duplicates = dropped["duplicate"]
        status = "accepted" if accepted else "duplicate" if duplicates else "ignored"
        ignored = dropped.total() - duplicates
        counts = {"status": status, "accepted": accepted, "duplicates": duplicates, "ignored": ignored}
        return Response(orjson.dumps(counts), media_type="application/json")

    def _tell_causes(self, name: str, parsed: ParsedWebhook) -> None:
        """Note why something was ignored, and what the channel says of replies that it could not deliver."""
        for cause, count in parsed.causes.items():
            self._note(name, "ignored", cause, count)
        for failure, count in parsed.failures.items():
            _WEBHOOKS.labels(name, "undelivered").inc(count)
            self._note(name, "undelivered", failure, count)

    def _note(self, channel: str, verdict: Verdict, cause: str, count: int) -> None:
        ids = tracing.trace_id(), tracing.correlation_id()
        self._verdicts.add(Rejection(utc_text(utc_now()), channel, verdict, cause, count, *ids))


def _channel(name: str) -> Channel:
    try:
        return channels.load(name)
    except KeyError:
        raise Problem(404, "not_found", "There is no such channel.") from None


def _not_configured(name: str) -> Problem:
    return Problem(503, "channel_not_configured", f"The channel {name} has no secret in this environment.")
