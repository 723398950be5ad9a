"""One conversation at a time: claim its oldest message, reply, send, and go on until nothing is due."""

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

from salambot import tracing
from salambot.channels import load
from salambot.channels.base import Channel
from salambot.database import DatabaseUnavailable
from salambot.delivery.generation import Generation
from salambot.delivery.inbox import Claimed, Inbox, Part
from salambot.delivery.politeness import only_text
from salambot.delivery.queue import Conversation
from salambot.delivery.sending import Api, Envelope, SendError
from salambot.delivery.splitting import split
from salambot.messages import ReplyRequest, utc_now
from salambot.metrics import BUCKETS

MOST_ATTEMPTS = 12
"""With the waits between them, about twenty minutes; then the message is a dead letter."""
_LONGEST_WAIT_S = 300.0
_BUSY_WAIT_S = 5.0
_HAND_OVER_S = 1.5
_NOTE_EVERY_S = 0.2
"""Less than the sweeper takes to give a conversation to another worker once Postgres is back."""
_IDENTIFIER = re.compile(r"[!-~]{1,128}")
_ENDED = Counter("salambot_channel_replies", "Messages of channels that are seen to", ("channel", "outcome"))
_TRIED_AGAIN = Counter("salambot_channel_retries", "Attempts that failed and are made again", ("channel", "reason"))
_WAITED = Histogram(
    "salambot_channel_reply_seconds", "From a message sent by its user to its reply sent", ("channel",), buckets=BUCKETS
)
_log = structlog.get_logger(__name__)


class LostClaimError(Exception):
    """Another worker has the message now: it is left alone."""


class Rounds:
    """What a worker does with a conversation. Nothing that fails is raised: it is noted, and tried again later."""

    def __init__(self, inbox: Inbox, generation: Generation, api: Api, stopping: asyncio.Event) -> None:
        self._inbox = inbox
        self._generation = generation
        self._api = api
        self._stopping = stopping
        self._busy_until: dict[str, float] = {}
        self._noting: set[Conversation] = set()

    async def __call__(self, conversation: Conversation) -> None:
        """Answer what is due in a conversation, one message after the other."""
        if conversation in self._noting:
            return
        try:
            while not self._stopping.is_set() and (message := await self._inbox.claim(conversation)):
                carrier = {"traceparent": message.traceparent, "x-correlation-id": message.correlation_id}
                with tracing.request_trace(carrier, public=False, kind=SpanKind.CONSUMER) as span:
                    span.update_name("conversation.answer")
                    span.set_attribute("salambot.channel", message.channel)
                    await self._answer(message)
        except DatabaseUnavailable as error:
            _log.warning("postgres is away, replies wait", exc_info=error)

    async def _answer(self, message: Claimed) -> None:
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
            with suppress(DatabaseUnavailable), anyio.move_on_after(_HAND_OVER_S, shield=True):
                await self._inbox.release(message, "pending", "interrupted", _backoff(message.attempts))
            raise
        finally:
            self._inbox.abandon(message)

    async def _deliver(self, message: Claimed) -> str:
        """Reply; return the outcome. Raises SendError."""
        channel = load(message.channel)
        if message.attempts > MOST_ATTEMPTS:
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

    async def _write(self, channel: Channel, message: Claimed) -> list[Part]:
        greeting = asyncio.create_task(_quietly(channel.greet(self._api, _envelope(message))))
        try:
            language, text = await self._say(channel, message)
        finally:
            await greeting
        parts = await self._inbox.write_reply(message, language, split(text, channel.longest_text))
        if parts is None:
            raise LostClaimError
        return parts

    async def _say(self, channel: Channel, message: Claimed) -> tuple[str, str]:
        if message.kind == "text":
            reply = await self._generation.reply(_request(channel, message))
            return reply.language, reply.reply
        await self._inbox.audit(message, "unsupported", tracing.trace_id())
        return only_text(message.language, message.locale)

    async def _send(self, channel: Channel, message: Claimed, part: Part) -> None:
        wait = self._busy_until.get(_line(message), 0.0) - time.monotonic()
        if wait > 0:
            raise SendError("channel_busy", "later", wait)
        if not await self._inbox.begin_send(message, part.part):
            raise LostClaimError
        tag = _tag(message, part)
        provider_id = await channel.send(self._api, _envelope(message), part.content, tag)
        try:
            await self._inbox.end_send(message, part.part, "sent", provider_id)
        except DatabaseUnavailable as error:
            _log.warning("a reply is sent, and postgres is away to note it", channel=message.channel, exc_info=error)
            await self._note_later(message, part, provider_id)

    async def _note_later(self, message: Claimed, part: Part, provider_id: str) -> None:
        """Until Postgres is back, this worker alone knows that a part must not be sent again."""
        conversation = message.tenant, message.channel, message.party
        self._noting.add(conversation)
        try:
            while True:
                await asyncio.sleep(_NOTE_EVERY_S)
                with suppress(DatabaseUnavailable):
                    return await self._inbox.end_send(message, part.part, "sent", provider_id)
        finally:
            self._noting.discard(conversation)

    async def _keep(self, channel: Channel, message: Claimed, parts: list[Part]) -> str:
        """Keep the reply where nothing can be sent: as `generic` does, and for a developer without a token."""
        if channel.sends and not self._api.settings.is_development:
            raise SendError("no_token", "again")
        for part in parts:
            await self._inbox.end_send(message, part.part, "kept", "")
        return "no_token" if channel.sends else "kept"

    async def _try_again(self, message: Claimed, error: SendError) -> None:
        if error.retry == "later":
            self._note_busy(_line(message), error.after_s)
        if error.retry == "never" or message.attempts >= MOST_ATTEMPTS:
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
        self._busy_until[line] = max(self._busy_until.get(line, 0.0), time.monotonic() + (after_s or _BUSY_WAIT_S))


async def _quietly(mark: Awaitable[None]) -> None:
    """A mark that fails is no reason not to reply."""
    with suppress(SendError):
        await mark


def _request(channel: Channel, message: Claimed) -> ReplyRequest:
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


def _envelope(message: Claimed) -> Envelope:
    return Envelope(message.account, message.recipient, message.message_id)


def _line(message: Claimed) -> str:
    """Return what a channel limits the rate of: one of our accounts there."""
    return f"{message.channel} {message.account}"


def _tag(message: Claimed, part: Part) -> str:
    return f"{_digest(f'{message.tenant} {message.message_id}')}.{part.part}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _backoff(attempts: int) -> timedelta:
    """Return 1, 2, 4 … seconds, at most five minutes, with jitter."""
    return timedelta(seconds=min(_LONGEST_WAIT_S, 2.0 ** (attempts - 1)) * uniform(0.6, 1.0))  # noqa: S311 - jitter
