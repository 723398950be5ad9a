"""Process one conversation: claim its oldest message, reply, send, continue until none is due."""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from random import uniform

import anyio
import structlog
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Histogram

from salambot.core import tracing
from salambot.core.database import DatabaseUnavailableError
from salambot.core.metrics import BUCKETS
from salambot.core.schemas import ReplyRequest, utc_now
from salambot.webhooks.channel_client import ChannelContext, Envelope, SendError
from salambot.webhooks.channels import load
from salambot.webhooks.channels.base import Channel
from salambot.webhooks.inbox import ClaimedMessage, Inbox, ReplyPart
from salambot.webhooks.queue import Conversation
from salambot.webhooks.reply_client import ReplyClient
from salambot.webhooks.splitting import split_reply
from salambot.webhooks.unsupported_reply import unsupported_reply

MAX_ATTEMPTS = 12
"""With the delays between them about twenty minutes; then the message is a dead letter."""
_MAX_WAIT_SECONDS = 300.0
_BUSY_WAIT_SECONDS = 5.0
_HAND_OVER_SECONDS = 1.5
_NOTE_EVERY_SECONDS = 0.2
"""Shorter than the redispatch delay, so that no other worker resends after Postgres is back."""
_IDENTIFIER = re.compile(r"[!-~]{1,128}")
_ENDED = Counter("salambot_channel_replies", "Messages of channels that are seen to", ("channel", "outcome"))
_TRIED_AGAIN = Counter("salambot_channel_retries", "Attempts that failed and are made again", ("channel", "reason"))
_WAITED = Histogram(
    "salambot_channel_reply_seconds", "From a message sent by its user to its reply sent", ("channel",), buckets=BUCKETS
)
_log = structlog.get_logger(__name__)


class LostClaimError(Exception):
    """Another worker holds the message."""


class ConversationProcessor:
    """Processes conversations. Failures are not raised: they are recorded and retried."""

    def __init__(self, inbox: Inbox, generation: ReplyClient, api: ChannelContext, stopping: asyncio.Event) -> None:
        self._inbox = inbox
        self._generation = generation
        self._api = api
        self._stopping = stopping
        self._busy_until: dict[str, float] = {}
        self._noting: set[Conversation] = set()

    async def __call__(self, conversation: Conversation) -> None:
        """Answer the due messages of a conversation, in order."""
        if conversation in self._noting:
            return
        try:
            while not self._stopping.is_set() and (message := await self._inbox.claim(conversation)):
                carrier = {"traceparent": message.traceparent, "x-correlation-id": message.correlation_id}
                with tracing.request_trace(carrier, public=False, kind=SpanKind.CONSUMER) as span:
                    span.update_name("conversation.answer")
                    span.set_attribute("salambot.channel", message.channel)
                    await self._answer(message)
        except DatabaseUnavailableError as error:
            _log.warning("postgres is away, replies wait", exc_info=error)

    async def _answer(self, message: ClaimedMessage) -> None:
        try:
            outcome = await self._deliver(message)
            if await self._inbox.release(message, "done", outcome):
                _ENDED.labels(message.channel, outcome).inc()
                _WAITED.labels(message.channel).observe(max(0.0, (utc_now() - message.sent_at).total_seconds()))
        except SendError as error:
            await self._try_again(message, error)
        except LostClaimError:
            _log.warning("another worker took a message over", channel=message.channel)
        except BaseException:
            # Stopping, or something unforeseen: the next worker takes it as soon as it can.
            with suppress(DatabaseUnavailableError), anyio.move_on_after(_HAND_OVER_SECONDS, shield=True):
                await self._inbox.release(message, "pending", "interrupted", _backoff(message.attempts))
            raise
        finally:
            self._inbox.abandon(message)

    async def _deliver(self, message: ClaimedMessage) -> str:
        """Reply; return the outcome. Raises SendError."""
        channel = load(message.channel)
        if message.attempts > MAX_ATTEMPTS:
            raise SendError("gave_up", "never")  # not even noted the last times: it ends its workers
        if channel.window_s is not None and (utc_now() - message.sent_at).total_seconds() > channel.window_s:
            raise SendError("window_closed", "never")
        if message.kind == "unsupported" and not await self._inbox.remind_to_write(message):
            return "reminded_before"
        parts = message.parts or await self._write(channel, message)
        if not channel.can_send(self._api):
            return await self._keep(channel, message, parts)
        for part in (part for part in parts if not part.sent):
            await self._send(channel, message, part)
        return "replied"

    async def _write(self, channel: Channel, message: ClaimedMessage) -> list[ReplyPart]:
        greeting = asyncio.create_task(_quietly(channel.show_typing(self._api, _envelope(message))))
        try:
            language, text = await self._say(channel, message)
        finally:
            await greeting
        parts = await self._inbox.write_reply(message, language, split_reply(text, channel.longest_text))
        if parts is None:
            raise LostClaimError
        return parts

    async def _say(self, channel: Channel, message: ClaimedMessage) -> tuple[str, str]:
        if message.kind == "text":
            reply = await self._generation.reply(_request(channel, message))
            return reply.language, reply.reply
        await self._inbox.audit(message, "unsupported", tracing.trace_id())
        return unsupported_reply(message.language, message.locale)

    async def _send(self, channel: Channel, message: ClaimedMessage, part: ReplyPart) -> None:
        wait = self._busy_until.get(_line(message), 0.0) - time.monotonic()
        if wait > 0:
            raise SendError("channel_busy", "later", wait)
        if not await self._inbox.begin_send(message, part.part):
            raise LostClaimError
        tag = _tag(message, part)
        provider_id = await channel.send(self._api, _envelope(message), part.content, tag)
        try:
            await self._inbox.end_send(message, part.part, "sent", provider_id)
        except DatabaseUnavailableError as error:
            _log.warning("a reply is sent, and postgres is away to note it", channel=message.channel, exc_info=error)
            await self._note_later(message, part, provider_id)

    async def _note_later(self, message: ClaimedMessage, part: ReplyPart, provider_id: str) -> None:
        """Record a sent part once Postgres is back; until then only this worker knows about it."""
        conversation = message.tenant, message.channel, message.party
        self._noting.add(conversation)
        try:
            while True:
                await asyncio.sleep(_NOTE_EVERY_SECONDS)
                with suppress(DatabaseUnavailableError):
                    return await self._inbox.end_send(message, part.part, "sent", provider_id)
        finally:
            self._noting.discard(conversation)

    async def _keep(self, channel: Channel, message: ClaimedMessage, parts: list[ReplyPart]) -> str:
        """Store the reply of a channel that sends nothing: `generic`, or a development channel without a token."""
        if channel.sends and not self._api.settings.is_development:
            raise SendError("no_token", "again")
        for part in parts:
            await self._inbox.end_send(message, part.part, "kept", "")
        return "no_token" if channel.sends else "kept"

    async def _try_again(self, message: ClaimedMessage, error: SendError) -> None:
        if error.retry == "later":
            self._note_busy(_line(message), error.after_s)
        if error.retry == "never" or message.attempts >= MAX_ATTEMPTS:
            await self._inbox.release(message, "failed", error.code)
            _ENDED.labels(message.channel, error.code).inc()
            _log.warning("a message could not be answered", channel=message.channel, reason=error.code)
            return
        _TRIED_AGAIN.labels(message.channel, error.code).inc()
        wait = max(_backoff(message.attempts), timedelta(seconds=error.after_s))
        await self._inbox.release(message, "pending", error.code, wait)

    def _note_busy(self, line: str, after_s: float) -> None:
        if len(self._busy_until) > 10_000:
            self._busy_until.clear()
        self._busy_until[line] = max(
            self._busy_until.get(line, 0.0), time.monotonic() + (after_s or _BUSY_WAIT_SECONDS)
        )


async def _quietly(mark: Awaitable[None]) -> None:
    """Ignore a failing typing indicator or read receipt."""
    with suppress(SendError):
        await mark


def _request(channel: Channel, message: ClaimedMessage) -> ReplyRequest:
    identifier = message.message_id
    return ReplyRequest(
        tenant=message.tenant,
        channel=channel.speaks_as,
        message_id=identifier if _IDENTIFIER.fullmatch(identifier) else _digest(identifier),
        correlation_id=message.correlation_id,
        locale=message.locale,
        prompt=message.content,
        user=message.party,
    )


def _envelope(message: ClaimedMessage) -> Envelope:
    return Envelope(message.account, message.recipient, message.message_id)


def _line(message: ClaimedMessage) -> str:
    """Return the key of the channel's rate limit: one of our accounts."""
    return f"{message.channel} {message.account}"


def _tag(message: ClaimedMessage, part: ReplyPart) -> str:
    return f"{_digest(f'{message.tenant} {message.message_id}')}.{part.part}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _backoff(attempts: int) -> timedelta:
    """Return 1, 2, 4 … seconds, at most five minutes, with jitter."""
    return timedelta(seconds=min(_MAX_WAIT_SECONDS, 2.0 ** (attempts - 1)) * uniform(0.6, 1.0))  # noqa: S311 - jitter
