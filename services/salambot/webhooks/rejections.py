"""A log of rejected webhooks (refused, stale, duplicate), kept in Redis."""

import asyncio
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Literal

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

Verdict = Literal["accepted", "duplicate", "ignored", "stale", "unknown_account", "rejected", "undelivered"]

MAX_ENTRIES = 1_000
_STREAM = "salambot:webhook-verdicts"
_MAX_WAITING = 1_000
_MAX_AT_ONCE = 100
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rejection:
    """One rejection. `time` is UTC; `cause` holds no customer data."""

    time: str
    channel: str
    verdict: Verdict
    cause: str
    count: int
    trace_id: str
    correlation_id: str


class RejectionLog:
    """Written in the background; under pressure entries are dropped but still counted."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: asyncio.Queue[Rejection] = asyncio.Queue(_MAX_WAITING)

    def add(self, note: Rejection) -> None:
        """Add an entry soon."""
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(note)

    async def run(self) -> None:
        """Write entries until cancelled."""
        while True:
            notes = [await self._waiting.get()]
            notes += [self._waiting.get_nowait() for _ in range(min(self._waiting.qsize(), _MAX_AT_ONCE))]
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for note in notes:
                        pipe.xadd(_STREAM, {"note": orjson.dumps(asdict(note))}, maxlen=MAX_ENTRIES, approximate=True)
                    await pipe.execute()
            except RedisError as error:
                _log.warning("verdicts of webhooks are lost", notes=len(notes), exc_info=error)

    async def latest(self, count: int) -> list[Rejection]:
        """Return the latest notes, the newest first. Raises RedisError."""
        entries = await self._redis.xrevrange(_STREAM, count=count) or []
        return [Rejection(**orjson.loads(fields[b"note"])) for _, fields in entries if fields is not None]
