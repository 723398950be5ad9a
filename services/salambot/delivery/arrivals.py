"""The way into the inbox: webhooks that arrive together are stored by one statement and one commit."""

import asyncio
import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg
import orjson

from salambot.channels.base import Incoming
from salambot.database import ACQUIRE_TIMEOUT_S, DatabaseUnavailable, Pool, unavailable_as_problem
from salambot.delivery.previews import preview
from salambot.delivery.sealing import seal
from salambot.messages import utc_text

Key = tuple[str, str, str]
"""tenant, channel, message id."""
Stored = dict[Key, str]
"""What is new, each with the party that its conversation stands under."""
_MOST_WAITING = 10_000
"""Messages that wait for Postgres; past it webhooks are refused with 503, and their senders try again."""
_MOST_AT_ONCE = 1_000
_STORE_SECONDS = 2.5
"""How long a sender waits for its acknowledgement, before it is told to come again."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it is stored. `party` is a keyed hash of the user; `sent_at` is UTC."""

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
        """What makes it unique: a delivery that repeats it is a duplicate."""
        return self.tenant, self.channel, self.message_id

    @property
    def is_message(self) -> bool:
        """Whether it is stored itself; what is not changes something that is."""
        return self.kind in {"text", "unsupported"}


def hash_user(key: bytes, channel: str, account: str, user: str) -> str:
    """Return what stands for a user everywhere but in the inbox: a keyed hash that differs by channel and account."""
    return hmac.new(key, f"{channel}\n{account}\n{user}".encode(), hashlib.sha256).hexdigest()[:32]


def arrival(
    incoming: Incoming, *, tenant: str, channel: str, key: bytes, traceparent: str, correlation: str, keep: bool
) -> Arrival:
    """Turn a message of a channel into what is stored."""
    return Arrival(
        tenant=tenant,
        channel=channel,
        message_id=incoming.message_id,
        account=incoming.account,
        party=hash_user(key, channel, incoming.account, incoming.user),
        recipient=incoming.recipient,
        kind=incoming.kind,
        content=incoming.text,
        preview=preview(incoming.text),
        locale=incoming.locale,
        sent_at=utc_text(incoming.sent_at),
        traceparent=traceparent,
        correlation_id=correlation,
        sealed=b64encode(seal(key, incoming.recipient, incoming.text)).decode() if keep else None,
        other_party=hash_user(key, channel, incoming.account, incoming.other_id) if incoming.other_id else "",
        replaces=incoming.replaces,
    )


@dataclass(slots=True, eq=False)
class _Waiting:
    arrivals: Sequence[Arrival]
    stored: "asyncio.Future[Stored]"


class Intake:
    """Stores arrivals. While one statement is under way the next webhooks gather, and go together."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[_Waiting] = []
        self._waiting_messages = 0
        self._writer: asyncio.Task[None] | None = None

    async def store(self, arrivals: Sequence[Arrival]) -> Stored:
        """Store what is new; return it once it is durable. Raises DatabaseUnavailable."""
        if self._waiting_messages >= _MOST_WAITING:
            raise DatabaseUnavailable("too many webhooks wait for postgres")
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
            raise DatabaseUnavailable("postgres does not store it in time") from error

    def _forget(self, waiting: _Waiting) -> None:
        """Drop what nobody waits for any more. What is being stored already is a duplicate when it comes again."""
        waiting.stored.cancel()
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self._waiting_messages -= len(waiting.arrivals)

    async def close(self) -> None:
        """Wait for what is being stored."""
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
        while self._waiting and (not batch or count + len(self._waiting[0].arrivals) <= _MOST_AT_ONCE):
            batch.append(self._waiting.pop(0))
            count += len(batch[-1].arrivals)
        self._waiting_messages -= count
        return batch

    async def _insert(self, arrivals: list[Arrival]) -> Stored:
        document = orjson.dumps(arrivals).decode()
        try:
            with unavailable_as_problem():
                async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                    stored = await connection.fetchval("SELECT store_messages($1)", document, timeout=_STORE_SECONDS)
        except asyncpg.UndefinedFunctionError as error:
            raise DatabaseUnavailable("the schema is not there yet") from error
        return {(tenant, channel, message): party for tenant, channel, message, party in orjson.loads(stored)}


def _distinct(batch: list[_Waiting]) -> list[Arrival]:
    """Return each message once, as it came first."""
    found: dict[Key, Arrival] = {}
    for one in batch:
        for item in one.arrivals:
            found.setdefault(item.key, item)
    return [*found.values()]
