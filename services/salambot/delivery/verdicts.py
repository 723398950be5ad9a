"""What became of webhooks that left no message behind: refused, stale, repeated. The latest are kept in Redis."""

import asyncio
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Literal

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

Verdict = Literal["accepted", "duplicate", "ignored", "stale", "unknown_account", "rejected", "undelivered"]

KEPT = 1_000
_STREAM = "salambot:webhook-verdicts"
_MOST_WAITING = 1_000
_MOST_AT_ONCE = 100
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """One verdict. `time` is UTC; `cause` says more, and nothing of a customer."""

    time: str
    channel: str
    verdict: Verdict
    cause: str
    count: int
    trace_id: str
    correlation_id: str


class Verdicts:
    """Notes are written in the background; when there are too many, some are lost, and counted all the same."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: asyncio.Queue[Note] = asyncio.Queue(_MOST_WAITING)

    def note(self, note: Note) -> None:
        """Write a note soon."""
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(note)

    async def run(self) -> None:
        """Write notes until cancelled."""
        while True:
            notes = [await self._waiting.get()]
            notes += [self._waiting.get_nowait() for _ in range(min(self._waiting.qsize(), _MOST_AT_ONCE))]
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for note in notes:
                        pipe.xadd(_STREAM, {"note": orjson.dumps(asdict(note))}, maxlen=KEPT, approximate=True)
                    await pipe.execute()
            except RedisError as error:
                _log.warning("verdicts of webhooks are lost", notes=len(notes), exc_info=error)

    async def latest(self, count: int) -> list[Note]:
        """Return the latest notes, the newest first. Raises RedisError."""
        entries = await self._redis.xrevrange(_STREAM, count=count) or []
        return [Note(**orjson.loads(fields[b"note"])) for _, fields in entries if fields is not None]
