"""Conversations: durable in Postgres with the audit trail, recent turns cached in Redis."""

import time
from datetime import datetime, timedelta

import structlog
from asyncpg import Record
from prometheus_client import Counter
from pydantic import TypeAdapter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from salambot.core import tracing
from salambot.core.batching import Batcher
from salambot.core.database import (
    ACQUIRE_TIMEOUT_SECONDS,
    DatabaseUnavailableError,
    Pool,
    database_problem,
    translate_errors,
)
from salambot.core.schemas import Message, Reply, ReplyRequest, Turn, utc_now
from salambot.language.policy import asks_documents

REMEMBERED_TURNS = 12
REMEMBERED_FOR = timedelta(hours=24)
_HOT_ERRORS = Counter("salambot_hot_state_errors", "Times that Redis failed and Postgres served alone")
_log = structlog.get_logger(__name__)


class _Hot(Message):
    """Cached turns of one conversation; `at` is in seconds since the epoch."""

    at: float
    turns: list[Turn]


_Exchange = tuple[str, str, str, str, str, str, str, str, str, str, str, int, datetime, bool]
"""The arguments of `record_exchange`, in its order."""
_RECORD = """
SELECT record_exchange(tenant, channel, party, language, message, prompt, reply, actor, outcome, trace, correlation,
                       most, since, answers)
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::int[], $13::timestamptz[], $14::bool[])
  WITH ORDINALITY AS exchange(tenant, channel, party, language, message, prompt, reply, actor, outcome, trace,
                              correlation, most, since, answers, position)
ORDER BY position
"""
_turns: TypeAdapter[list[Turn]] = TypeAdapter(list[Turn])


class Conversations:
    """Stored conversations.

    Each method costs at most one round trip to Postgres and raises Problem 503 when it is down.
    """

    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis
        self._trusted_since = 0.0
        self._redis_works = True
        self._recording = Batcher(self._record_all)

    async def recent_turns(self, request: ReplyRequest) -> list[Turn]:
        """Return the recent turns with this user, oldest first; empty if the user is unknown."""
        if request.user is None:
            return []
        hot = await self._read_hot(request)
        if hot is not None:
            return hot
        return await self._call(
            "SELECT recent_turns($1, $2, $3, $4, $5)",
            *(request.tenant, request.channel, request.user, REMEMBERED_TURNS, utc_now() - REMEMBERED_FOR),
        )

    async def record(self, request: ReplyRequest, reply: Reply) -> None:
        """Store a message and its reply with the audit record; both are durable on return."""
        most = REMEMBERED_TURNS if request.user else 0
        turns = await self._recording(
            (
                *(request.tenant, request.channel, request.user or request.correlation_id, reply.language),
                *(request.message_id, _storable(request.prompt), _storable(reply.reply)),
                *(_actor(request), reply.finish_reason, tracing.trace_id(), request.correlation_id),
                *(most, utc_now() - REMEMBERED_FOR),
                _answers(request.prompt, reply),
            )
        )
        if request.user:
            await self._write_hot(request, turns)

    async def _record_all(self, exchanges: list[_Exchange]) -> list[list[Turn]]:
        """Store exchanges in one transaction, with one disk flush for all.

        Sorted, so that concurrent calls lock conversations in the same order.
        """
        order = sorted(range(len(exchanges)), key=lambda position: exchanges[position][:3])
        columns = [list(column) for column in zip(*(exchanges[position] for position in order), strict=True)]
        found = await self._fetch(_RECORD, *columns)
        turns = {position: _read(row[0]) for position, row in zip(order, found, strict=True)}
        return [turns[position] for position in range(len(exchanges))]

    async def record_refusal(self, request: ReplyRequest, code: str) -> None:
        """Store that there was no reply, with the problem code."""
        await self._call(
            "SELECT record_audit($1, $2, 'reply', $3, $4, $5)",
            *(request.tenant, _actor(request), code, tracing.trace_id(), request.correlation_id),
        )

    async def purge(self, older_than: timedelta) -> int:
        """Delete older turns of all tenants; return how many."""
        with translate_errors():
            return int(await self._pool.fetchval("SELECT forget_before($1)", utc_now() - older_than, timeout=300))

    async def _call(self, query: str, *arguments: object) -> list[Turn]:
        return _read((await self._fetch(query, *arguments))[0][0])

    async def _fetch(self, query: str, *arguments: object) -> list[Record]:
        try:
            with translate_errors():
                async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
                    return await connection.fetch(query, *arguments)
        except DatabaseUnavailableError as error:
            raise database_problem() from error

    async def _read_hot(self, request: ReplyRequest) -> list[Turn] | None:
        try:
            found = await self._redis.get(_key(request))
        except RedisError as error:
            self._redis_failed(error)
            return None
        hot = _Hot.model_validate_json(found) if found else None
        return hot.turns if hot is not None and hot.at > self._trusted_since else None

    async def _write_hot(self, request: ReplyRequest, turns: list[Turn]) -> None:
        hot = _Hot(at=time.time(), turns=turns)
        try:
            await self._redis.set(_key(request), hot.model_dump_json(), ex=REMEMBERED_FOR)
        except RedisError as error:
            self._redis_failed(error)
        else:
            if not self._redis_works:
                _log.info("redis is back")
            self._redis_works = True

    def _redis_failed(self, error: RedisError) -> None:
        """Stop using Redis. Its cached turns may be incomplete from now on and are no longer used."""
        self._trusted_since = time.time()
        _HOT_ERRORS.inc()
        if self._redis_works:
            _log.warning("redis is away, conversations are read from postgres", exc_info=error)
        self._redis_works = False


def _read(turns: str | None) -> list[Turn]:
    return _turns.validate_json(turns) if turns else []


def _answers(prompt: str, reply: Reply) -> bool:
    """Return False where the documents said nothing about what was asked."""
    return bool(reply.citations) or not asks_documents(prompt)


def _key(request: ReplyRequest) -> str:
    return f"salambot:{request.tenant}:turns:{request.channel}:{request.user}"


def _actor(request: ReplyRequest) -> str:
    return request.user or "anonymous"


def _storable(text: str) -> str:
    """Drop NUL, the one character that Postgres cannot store."""
    return text.replace("\0", "")
