"""`Idempotency-Key`: a response is stored and replayed for a repeated request."""

import asyncio
import hashlib
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from salambot.core.problems import Problem
from salambot.gateway.auth import Principal

RETENTION_SECONDS = 24 * 3600
"""Seconds that a response is stored."""
LEASE_SECONDS = 6.0
"""Seconds that a claim outlives its gateway; a live gateway renews it."""
_LEASE_MILLISECONDS = int(LEASE_SECONDS * 1000)
_KEY = re.compile(r'"([A-Za-z0-9_-]{1,128})"|([A-Za-z0-9_-]{1,128})')
_REPLACE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
"""Only the holder of a claim may end it: an expired claim may belong to another gateway."""
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
_log = structlog.get_logger(__name__)


def read_key(values: list[str]) -> str | None:
    """Return the key of an `Idempotency-Key` header, quoted or bare, None where there is none; raises Problem 422."""
    if not values:
        return None
    match = _KEY.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise Problem(422, "invalid_idempotency_key", "An Idempotency-Key has 1 to 128 of A-Z, a-z, 0-9, _ and -.")
    return match[1] or match[2]


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response given before."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The right to answer a request. Ends by `store` or `release`, or expires soon after its holder died."""

    redis: Redis
    name: str
    fingerprint: str
    running: bytes
    holding: list[asyncio.Task[None]] = field(default_factory=list)

    def renew(self, seconds: float) -> None:
        """Renew the claim until it ends, for at most `seconds`: its holder may be gone."""
        self.holding.append(asyncio.create_task(self._hold(seconds)))

    async def _hold(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await asyncio.sleep(LEASE_SECONDS / 3)
                    try:
                        await self.redis.register_script(_RENEW)(
                            keys=[self.name], args=[self.running, _LEASE_MILLISECONDS]
                        )
                    except RedisError as error:
                        _log.warning("idempotency claim could not be renewed", exc_info=error)

    async def store(self, answer: bytes) -> None:
        """Store the response for a day. A lost Redis costs the replay, not the response."""
        await self._end(orjson.dumps({"fingerprint": self.fingerprint, "answer": answer.decode()}))

    async def release(self) -> None:
        """Let the next request with this key try again."""
        await self._end(b"")

    async def _end(self, value: bytes) -> None:
        for task in self.holding:
            task.cancel()
        # Shielded: the caller may just be leaving, and that is when a claim has to be released.
        with anyio.move_on_after(2, shield=True):
            try:
                await self.redis.register_script(_REPLACE)(
                    keys=[self.name], args=[self.running, value, RETENTION_SECONDS]
                )
            except RedisError as error:
                _log.warning("idempotency claim could not be ended", exc_info=error)


class Idempotency:
    """Claims in Redis, each held for `longest` seconds at most; a crash blocks its key for LEASE_S."""

    def __init__(self, redis: Redis, longest: float) -> None:
        self._redis = redis
        self._longest = longest

    async def claim(self, principal: Principal, key: str, body: bytes) -> KeyClaim | StoredResponse:
        """Claim this key of this caller, or return the answer it had; raises Problem 409 or 422."""
        fingerprint = hashlib.sha256(body).hexdigest()
        owner = hashlib.sha256(f"{principal.tenant}\n{principal.subject}\n{key}".encode()).hexdigest()
        name = f"salambot:idempotency:{owner}"
        running = orjson.dumps({"fingerprint": fingerprint, "running": secrets.token_hex(8)})
        found: bytes | None = await self._redis.set(name, running, nx=True, get=True, px=_LEASE_MILLISECONDS)  # type: ignore[assignment] # the stubs do not know get=True
        if found is None or found == running:  # equal: the command was sent again after its answer got lost
            claim = KeyClaim(self._redis, name, fingerprint, running)
            claim.renew(self._longest)
            return claim
        entry = orjson.loads(found)
        if entry["fingerprint"] != fingerprint:
            raise Problem(422, "idempotency_key_reused", "This Idempotency-Key was used with another body.")
        if "answer" not in entry:
            headers = {"Retry-After": "1"}
            raise Problem(409, "still_running", "The first request with this key is still running.", headers=headers)
        return StoredResponse(entry["answer"].encode())
