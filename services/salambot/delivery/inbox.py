"""The worker's side of inbox and outbox: one round trip a method; what it returns is durable."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeVar
from uuid import uuid4

from pydantic import BaseModel, TypeAdapter

from salambot.database import ACQUIRE_TIMEOUT_S, Pool, unavailable_as_problem
from salambot.delivery.queue import Conversation

LEASE = timedelta(seconds=15)
"""How long a claim outlives its worker; longer than one send may take."""
KEPT = timedelta(days=8)
SEALED = timedelta(hours=24)
IDENTITIES_KEPT = timedelta(days=90)
"""From the last message on for which two ids are one person: longer than conversations are kept."""

_Shape = TypeVar("_Shape")


class Part(BaseModel):
    """One message of a reply."""

    part: int
    content: str = field(repr=False)
    sent: bool


class Claimed(BaseModel):
    """A message that this worker alone answers, as long as it holds the claim."""

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
    """Of the last reply in this conversation."""
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Load:
    """What waits, and for how long the oldest has, in seconds."""

    pending: int
    oldest_s: float


_claimed: TypeAdapter[Claimed | None] = TypeAdapter(Claimed | None)
_parts: TypeAdapter[list[Part] | None] = TypeAdapter(list[Part] | None)
_conversations: TypeAdapter[list[Conversation]] = TypeAdapter(list[Conversation])
_load: TypeAdapter[Load] = TypeAdapter(Load)


class Inbox:
    """Every method raises DatabaseUnavailable while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._claims: set[str] = set()

    async def claim(self, conversation: Conversation) -> Claimed | None:
        """Claim the next message of a conversation; None where none is due, or another worker is at it."""
        claim = uuid4().hex
        query = "SELECT claim_inbound($1, $2, $3, $4, $5)"
        claimed = await self._read(_claimed, query, *conversation, claim, LEASE)
        if claimed is not None:
            self._claims.add(claim)
        return claimed

    async def hold(self) -> None:
        """Keep the claims of this worker alive."""
        if self._claims:
            await self._call("SELECT extend_claims($1, $2)", [*self._claims], LEASE)

    async def release(
        self, message: Claimed, state: Literal["pending", "done", "failed"], outcome: str, wait: timedelta = timedelta()
    ) -> bool:
        """End a claim; False where it was lost before."""
        query = "SELECT release_inbound($1, $2, $3, $4, $5, $6, $7)"
        try:
            return bool(await self._call(query, *_key(message), message.claim, state, outcome, wait))
        finally:
            self._claims.discard(message.claim)

    def abandon(self, message: Claimed) -> None:
        """Let a claim run out: it was lost, or cannot be ended now."""
        self._claims.discard(message.claim)

    async def write_reply(self, message: Claimed, language: str, texts: list[str]) -> list[Part] | None:
        """Keep the reply before any of it is sent; None where the claim is lost."""
        query = "SELECT write_outbox($1, $2, $3, $4, $5, $6)"
        return await self._read(_parts, query, *_key(message), message.claim, language, texts)

    async def begin_send(self, message: Claimed, part: int) -> bool:
        """Note that a part is about to be sent; False where it must not be: the claim is lost."""
        query = "SELECT begin_send($1, $2, $3, $4, $5, $6)"
        return bool(await self._call(query, *_key(message), message.claim, part, LEASE))

    async def end_send(self, message: Claimed, part: int, state: Literal["sent", "kept"], provider_id: str) -> None:
        """Note that a part is sent, or kept where nothing is ever sent."""
        await self._call("SELECT end_send($1, $2, $3, $4, $5, $6)", *_key(message), part, state, provider_id)

    async def audit(self, message: Claimed, outcome: str, trace_id: str) -> None:
        """Record a reply that orchestrateur did not make."""
        query = "SELECT record_audit($1, $2, 'reply', $3, $4, $5)"
        await self._call(query, message.tenant, message.party, outcome, trace_id, message.correlation_id)

    async def remind_to_write(self, message: Claimed) -> bool:
        """Return True for the one message of a conversation that is answered "I only read written messages"."""
        query = "SELECT remind_to_write($1, $2, $3, $4)"
        return bool(await self._call(query, message.tenant, message.channel, message.party, message.message_id))

    async def due(self, most: int, quiet: timedelta) -> list[Conversation]:
        """Return conversations in which something waits that nobody took for a while, and note that it is seen to."""
        return await self._read(_conversations, "SELECT due_conversations($1, $2)", most, quiet)

    async def load(self) -> Load:
        """Return what waits."""
        return await self._read(_load, "SELECT inbox_load()")

    async def forget(self, now: datetime) -> int:
        """Delete what is older than 8 days, and kept bodies after 24 hours; return how many messages."""
        await self._call("SELECT forget_identities($1)", now - IDENTITIES_KEPT)
        return await self._read(TypeAdapter(int), "SELECT forget_inbound($1, $2)", now - KEPT, now - SEALED)

    async def _read(self, shape: TypeAdapter[_Shape], query: str, *arguments: object) -> _Shape:
        found = await self._call(query, *arguments)
        return shape.validate_json(found) if isinstance(found, str) else shape.validate_python(found)

    async def _call(self, query: str, *arguments: object) -> object:
        with unavailable_as_problem():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                found: object = await connection.fetchval(query, *arguments)
                return found


def _key(message: Claimed) -> tuple[str, str, str]:
    return message.tenant, message.channel, message.message_id
