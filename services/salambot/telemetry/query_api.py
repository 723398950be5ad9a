"""`GET /internal/telemetry/*` of orchestrateur: what `telemetry = "local"` has kept, for the command to show."""

from typing import Annotated, cast

import orjson
from fastapi import FastAPI, Query
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.responses import Response

from salambot.core.problems import Problem
from salambot.telemetry.self_metrics import Signal

_AT_ONCE = 2_000
_MAX_ITEMS = 20_000


def add_routes(app: FastAPI, redis: Redis) -> None:
    """Add the routes."""

    @app.get("/internal/telemetry/{signal}")
    async def read(
        signal: Signal,
        trace_id: Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$")] = None,
        limit: Annotated[int, Query(ge=1, le=_MAX_ITEMS)] = _AT_ONCE,
    ) -> Response:
        """Return entries, the newest first; those of one trace, however old, where it is named."""
        try:
            entries = await _entries(redis, signal, trace_id, limit)
        except RedisError as error:
            raise Problem(503, "redis_unavailable", "Redis, where telemetry is kept, does not answer.") from error
        return Response(b'{"entries":[%b]}' % b",".join(entries), media_type="application/json")


_Batch = list[tuple[bytes, dict[bytes, bytes]]]


async def _entries(redis: Redis, signal: Signal, trace_id: str | None, limit: int) -> list[bytes]:
    found: list[bytes] = []
    last = "+"
    seen = 0
    while len(found) < limit and seen < _MAX_ITEMS:
        answer = await redis.xrevrange(f"salambot:telemetry:{signal}", max=last, count=_AT_ONCE)
        batch = cast("_Batch", answer or [])  # redis-py's type is of every protocol and decoding at once
        for _, fields in batch:
            entry = fields[b"json"]
            if trace_id is None or (trace_id.encode() in entry and orjson.loads(entry).get("trace_id") == trace_id):
                found.append(entry)
        if len(batch) < _AT_ONCE:
            break
        seen += len(batch)
        last = f"({batch[-1][0].decode()}"
    return found[:limit]
