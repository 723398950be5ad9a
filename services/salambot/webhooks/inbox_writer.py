"""Writes to the inbox: webhooks that arrive together share one statement and one commit."""

import asyncio
import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg
import orjson

from salambot.core.database import ACQUIRE_TIMEOUT_SECONDS, DatabaseUnavailableError, Pool, translate_errors
from salambot.core.schemas import utc_text
from salambot.webhooks.channels.base import InboundMessage
from salambot.webhooks.encryption import encrypt
from salambot.webhooks.previews import safe_preview

Key = tuple[str, str, str]
"""tenant, channel, message id."""
Stored = dict[Key, str]
"""What is new, each with the party that its conversation stands under."""
_MAX_WAITING = 10_000
"""Messages waiting for Postgres; beyond it webhooks get 503 and their senders retry."""
_MAX_AT_ONCE = 1_000
_STORE_SECONDS = 2.5
"""How long a sender waits for its acknowledgement, before it is told to come again."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as stored. `party` is a keyed hash of the user; `sent_at` is UTC."""

    tenant: str
    channel: str
    message_id: str
    account: str
    party: str
    recipient: str = field(repr=False)
    kind: str
    content: str = field(repr=False)
    preview: str
    locale: str | None
    sent_at: str
    traceparent: str
    correlation_id: str
    sealed: str | None = field(default=None, repr=False)
    other_party: str = ""
    """The same person by another id; from then on both stand for one conversation."""
    replaces: str = ""
    """The message that an edit replaces, or a revocation ends."""

    @property
    def key(self) -> Key:
        """The deduplication key: a repeated delivery has the same one."""
        return self.tenant, self.channel, self.message_id

    @property
    def is_message(self) -> bool:
        """Return whether it is stored itself; what is not changes something that is."""
        return self.kind in {"text", "unsupported"}


def hash_user(key: bytes, channel: str, account: str, user: str) -> str:
    """Return the keyed hash of a user, different for each channel and account; used everywhere but in the inbox."""
    return hmac.new(key, f"{channel}\n{account}\n{user}".encode(), hashlib.sha256).hexdigest()[:32]


def from_inbound(
    incoming: InboundMessage, *, tenant: str, channel: str, key: bytes, traceparent: str, correlation: str, keep: bool
) -> NewMessage:
    """Convert a channel's message to its stored form."""
    return NewMessage(
        tenant=tenant,
        channel=channel,
        message_id=incoming.message_id,
        account=incoming.account,
        party=hash_user(key, channel, incoming.account, incoming.user),
        recipient=incoming.recipient,
        kind=incoming.kind,
        content=incoming.text,
        preview=safe_preview(incoming.text),
        locale=incoming.locale,
        sent_at=utc_text(incoming.sent_at),
        traceparent=traceparent,
        correlation_id=correlation,
        sealed=b64encode(encrypt(key, incoming.recipient, incoming.text)).decode() if keep else None,
        other_party=hash_user(key, channel, incoming.account, incoming.other_id) if incoming.other_id else "",
        replaces=incoming.replaces,
    )


@dataclass(slots=True, eq=False)
class _Waiting:
    arrivals: Sequence[NewMessage]
    stored: "asyncio.Future[Stored]"


class InboxWriter:
    """Stores messages by group commit: webhooks that arrive during a statement share the next one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[_Waiting] = []
        self._waiting_messages = 0
        self._writer: asyncio.Task[None] | None = None

    async def store(self, arrivals: Sequence[NewMessage]) -> Stored:
        """Store what is new; return it once it is durable. Raises DatabaseUnavailableError."""
        if self._waiting_messages >= _MAX_WAITING:
            raise DatabaseUnavailableError("too many webhooks wait for postgres")
        waiting = _Waiting(arrivals, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_messages += len(arrivals)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                return await asyncio.shield(waiting.stored)
        except TimeoutError as error:
            self._forget(waiting)
            raise DatabaseUnavailableError("postgres does not store it in time") from error

    def _forget(self, waiting: _Waiting) -> None:
        """Drop requests whose callers have left. What is being stored already is a duplicate when it comes again."""
        waiting.stored.cancel()
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self._waiting_messages -= len(waiting.arrivals)

    async def close(self) -> None:
        """Wait for pending writes."""
        if self._writer is not None:
            with suppress(asyncio.CancelledError):
                await self._writer

    async def _write(self) -> None:
        while self._waiting:
            batch = self._next_batch()
            try:
                stored = await self._insert(_distinct(batch))
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait get it
                for one in batch:
                    if not one.stored.done():
                        one.stored.set_exception(error)
                continue
            for one in batch:
                # Two deliveries of one message may be in one batch: the first has it, the second is a duplicate.
                mine = {item.key: stored.pop(item.key) for item in one.arrivals if item.key in stored}
                if not one.stored.done():
                    one.stored.set_result(mine)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        count = 0
        while self._waiting and (not batch or count + len(self._waiting[0].arrivals) <= _MAX_AT_ONCE):
            batch.append(self._waiting.pop(0))
            count += len(batch[-1].arrivals)
        self._waiting_messages -= count
        return batch

    async def _insert(self, arrivals: list[NewMessage]) -> Stored:
        document = orjson.dumps(arrivals).decode()
        try:
            with translate_errors():
                async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
                    stored = await connection.fetchval("SELECT store_messages($1)", document, timeout=_STORE_SECONDS)
        except asyncpg.UndefinedFunctionError as error:
            raise DatabaseUnavailableError("the schema is not there yet") from error
        return {(tenant, channel, message): party for tenant, channel, message, party in orjson.loads(stored)}


def _distinct(batch: list[_Waiting]) -> list[NewMessage]:
    """Return each message once, in order of arrival."""
    found: dict[Key, NewMessage] = {}
    for one in batch:
        for item in one.arrivals:
            found.setdefault(item.key, item)
    return [*found.values()]
