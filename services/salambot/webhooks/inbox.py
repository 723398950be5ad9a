"""The worker's side of inbox and outbox: one round trip a method; what it returns is durable."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeVar
from uuid import uuid4

from pydantic import BaseModel, TypeAdapter

from salambot.core.database import ACQUIRE_TIMEOUT_SECONDS, Pool, translate_errors
from salambot.webhooks.queue import Conversation

LEASE = timedelta(seconds=15)
"""Seconds that a claim outlives its worker; longer than one send may take."""
RETENTION = timedelta(days=8)
BODY_RETENTION = timedelta(hours=24)
IDENTITIES_KEPT = timedelta(days=90)
"""From the last message on for which two ids are one person: longer than conversations are kept."""

_Shape = TypeVar("_Shape")


class ReplyPart(BaseModel):
    """One message of a reply."""

    part: int
    content: str = field(repr=False)
    sent: bool


class ClaimedMessage(BaseModel):
    """A message claimed by this worker."""

    tenant: str
    channel: str
    party: str
    message_id: str
    account: str
    recipient: str
    kind: Literal["text", "unsupported"]
    content: str
    locale: str | None
    sent_at: datetime
    traceparent: str
    correlation_id: str
    attempts: int
    claim: str
    language: str | None
    """The language of the last reply in this conversation."""
    parts: list[ReplyPart]


@dataclass(frozen=True, slots=True)
class Backlog:
    """The number of waiting messages and the age of the oldest, in seconds."""

    pending: int
    oldest_s: float


_claimed: TypeAdapter[ClaimedMessage | None] = TypeAdapter(ClaimedMessage | None)
_parts: TypeAdapter[list[ReplyPart] | None] = TypeAdapter(list[ReplyPart] | None)
_conversations: TypeAdapter[list[Conversation]] = TypeAdapter(list[Conversation])
_load: TypeAdapter[Backlog] = TypeAdapter(Backlog)


class Inbox:
    """Every method raises DatabaseUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._claims: set[str] = set()

    async def claim(self, conversation: Conversation) -> ClaimedMessage | None:
        """Claim the next message of a conversation; None if none is due or another worker holds it."""
        claim = uuid4().hex
        query = "SELECT claim_inbound($1, $2, $3, $4, $5)"
        claimed = await self._read(_claimed, query, *conversation, claim, LEASE)
        if claimed is not None:
            self._claims.add(claim)
        return claimed

    async def renew(self) -> None:
        """Renew the claims of this worker."""
        if self._claims:
            await self._call("SELECT extend_claims($1, $2)", [*self._claims], LEASE)

    async def release(
        self,
        message: ClaimedMessage,
        state: Literal["pending", "done", "failed"],
        outcome: str,
        wait: timedelta = timedelta(),
    ) -> bool:
        """End a claim; False if it was lost."""
        query = "SELECT release_inbound($1, $2, $3, $4, $5, $6, $7)"
        try:
            return bool(await self._call(query, *_key(message), message.claim, state, outcome, wait))
        finally:
            self._claims.discard(message.claim)

    def abandon(self, message: ClaimedMessage) -> None:
        """Let a claim expire: it was lost, or cannot be ended now."""
        self._claims.discard(message.claim)

    async def write_reply(self, message: ClaimedMessage, language: str, texts: list[str]) -> list[ReplyPart] | None:
        """Store the reply before sending any of it; None if the claim is lost."""
        query = "SELECT write_outbox($1, $2, $3, $4, $5, $6)"
        return await self._read(_parts, query, *_key(message), message.claim, language, texts)

    async def begin_send(self, message: ClaimedMessage, part: int) -> bool:
        """Mark a part as being sent; False if it must not be sent because the claim is lost."""
        query = "SELECT begin_send($1, $2, $3, $4, $5, $6)"
        return bool(await self._call(query, *_key(message), message.claim, part, LEASE))

    async def end_send(
        self, message: ClaimedMessage, part: int, state: Literal["sent", "kept"], provider_id: str
    ) -> None:
        """Mark a part as sent, or as stored for channels that send nothing."""
        await self._call("SELECT end_send($1, $2, $3, $4, $5, $6)", *_key(message), part, state, provider_id)

    async def audit(self, message: ClaimedMessage, outcome: str, trace_id: str) -> None:
        """Record a reply that did not come from orchestrateur."""
        query = "SELECT record_audit($1, $2, 'reply', $3, $4, $5)"
        await self._call(query, message.tenant, message.party, outcome, trace_id, message.correlation_id)

    async def remind_to_write(self, message: ClaimedMessage) -> bool:
        """Return True for the one message of a conversation that is answered "I only read written messages"."""
        query = "SELECT remind_to_write($1, $2, $3, $4)"
        return bool(await self._call(query, message.tenant, message.channel, message.party, message.message_id))

    async def find_due(self, most: int, quiet: timedelta) -> list[Conversation]:
        """Return conversations with undelivered messages older than `quiet`, and mark them as redispatched."""
        return await self._read(_conversations, "SELECT due_conversations($1, $2)", most, quiet)

    async def load(self) -> Backlog:
        """Return the backlog."""
        return await self._read(_load, "SELECT inbox_load()")

    async def purge(self, now: datetime) -> int:
        """Delete rows older than 8 days, and stored bodies after 24 hours; return the number of messages."""
        await self._call("SELECT forget_identities($1)", now - IDENTITIES_KEPT)
        return await self._read(
            TypeAdapter(int), "SELECT forget_inbound($1, $2)", now - RETENTION, now - BODY_RETENTION
        )

    async def _read(self, shape: TypeAdapter[_Shape], query: str, *arguments: object) -> _Shape:
        found = await self._call(query, *arguments)
        return shape.validate_json(found) if isinstance(found, str) else shape.validate_python(found)

    async def _call(self, query: str, *arguments: object) -> object:
        with translate_errors():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
                found: object = await connection.fetchval(query, *arguments)
                return found


def _key(message: ClaimedMessage) -> tuple[str, str, str]:
    return message.tenant, message.channel, message.message_id
