"""Rate limits of tenants and their clients: sliding windows in Redis.

Requests that arrive during a round trip share the next one.
"""

import hashlib
import hmac
import math
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Literal

from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.bridge import RedisBridge
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis

from salambot.core.batching import Batcher
from salambot.core.problems import Problem

_Refusal = Literal["tenant", "client"] | None

_COUNT = f"""
local function acquire(KEYS, ARGV)
{RedisBridge.SCRIPT_ACQUIRE_SLIDING_WINDOW.decode()}
end
local function admit(keys, limit, expiry, wanted)
  for _, key in ipairs(keys) do -- it would outlive its window where the clock was set back
    if redis.call('pttl', key) > expiry * 2000 then redis.call('del', key) end
  end
  if wanted == 0 or acquire(keys, {{limit, expiry, wanted}}) then return wanted end
  local admitted = 0
  while admitted + 1 < wanted and acquire(keys, {{limit, expiry, 1}}) do admitted = admitted + 1 end
  return admitted
end
local wanted, clients = tonumber(ARGV[3]), {{}}
if #KEYS > 2 then wanted = 0 end
for n = 1, #KEYS / 2 - 1 do
  clients[n] = admit({{KEYS[2 * n + 1], KEYS[2 * n + 2]}}, ARGV[4], ARGV[5], tonumber(ARGV[n + 5]))
  wanted = wanted + clients[n]
end
return {{admit({{KEYS[1], KEYS[2]}}, ARGV[1], ARGV[2], wanted), unpack(clients)}}
"""
"""The library's own script, for several windows at once: what a client may not ask does not count for its tenant."""


class TenantRateLimiter:
    """One limit for each tenant and one for each of its clients. Headers: draft-ietf-httpapi-ratelimit-headers-10.

    A limit for clients that is no stricter than the one for the tenant is left out: it would never refuse.
    """

    def __init__(
        self, name: str, rate: RateLimitItem, redis: Redis, *, client: RateLimitItem | None = None, key: bytes = b""
    ) -> None:
        self._name = name
        self._key = key
        self._rates = {"tenant": rate}
        if client is not None and _is_stricter(client, rate):
            self._rates["client"] = client
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="salambot:rate",
            connection_pool=redis.connection_pool,  # type: ignore[arg-type] # documented, but missing from its types
        )
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._script = redis.register_script(_COUNT)
        self._trips: dict[str, Batcher[str, _Refusal]] = {}
        policies = (f'"{self._named(who)}";q={one.amount};w={one.get_expiry()}' for who, one in self._rates.items())
        self.policy: Mapping[str, str] = {"RateLimit-Policy": ", ".join(policies)}

    async def hit(self, tenant: str, client: str = "") -> None:
        """Count one request of this tenant's client; raises Problem 429 past a limit, RedisError when nobody counts."""
        hashed = (
            hmac.new(self._key, client.encode(), hashlib.sha256).hexdigest()[:32] if "client" in self._rates else ""
        )
        refused = await self._admits(tenant, hashed)
        if refused is None:
            return
        rate = self._rates[refused]
        window = await self._window.get_window_stats(rate, *self._identifiers(tenant, hashed, refused))
        wait = max(1, math.ceil(window.reset_time - time.time()))
        headers = {**self.policy, "RateLimit": f'"{self._named(refused)}";r=0;t={wait}', "Retry-After": str(wait)}
        raise Problem(429, "rate_limited", f"This {refused} may {self._name} {rate}.", headers=headers)

    def _hashed(self, client: str) -> str:
        return hmac.new(self._key, client.encode(), hashlib.sha256).hexdigest()[:32]

    def _named(self, who: str) -> str:
        return self._name if who == "tenant" else f"{self._name}-{who}"

    def _identifiers(self, tenant: str, client: str, who: str) -> tuple[str, ...]:
        """Name a window. The brace ends the hash tag: in a cluster all windows of one tenant lie on one node."""
        return (f"{tenant}}}", self._name) if who == "tenant" else (f"{tenant}}}", self._name, client)

    async def _admits(self, tenant: str, client: str) -> _Refusal:
        trips = self._trips.get(tenant)
        if trips is None:
            trips = self._trips[tenant] = Batcher(partial(self._count, tenant))
        try:
            return await trips(client)
        finally:
            if trips.idle:
                self._trips.pop(tenant, None)

    async def _count(self, tenant: str, clients: list[str]) -> list[_Refusal]:
        """Return for each request the window that refuses it, if any."""
        limits = [number for rate in self._rates.values() for number in (rate.amount, rate.get_expiry())]
        wanted = Counter(clients) if "client" in self._rates else Counter[str]()
        keys = self._keys(tenant, "", "tenant") + [key for one in wanted for key in self._keys(tenant, one, "client")]
        arguments = [*limits[:2], len(clients), *limits[2:], *wanted.values()]
        left, *admitted = await self._script(keys=keys, args=arguments)
        by_client = dict(zip(wanted, admitted, strict=True))
        refusals: list[_Refusal] = []
        for client in clients:
            if client in by_client and not _take(by_client, client):
                refusals.append("client")
            else:
                refusals.append(None if left > 0 else "tenant")
                left -= 1
        return refusals

    def _keys(self, tenant: str, client: str, who: str) -> list[str]:
        """Return the keys of a window's previous and current part, as the library names them."""
        current = f"salambot:rate:{{{self._rates[who].key_for(*self._identifiers(tenant, client, who))}}}"
        return [f"{current}/-1", current]


def _take(left: dict[str, int], client: str) -> bool:
    left[client] -= 1
    return left[client] >= 0


def _is_stricter(client: RateLimitItem, tenant: RateLimitItem) -> bool:
    return client.amount < tenant.amount or client.amount / client.get_expiry() < tenant.amount / tenant.get_expiry()
