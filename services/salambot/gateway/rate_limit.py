"""Rate limits of tenants and their clients: sliding windows in Redis.

A window counts two parts of time, this one and the one before, which weighs less the longer ago it is. Requests that
arrive during a round trip share the next one.
"""

import hashlib
import hmac
import math
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from redis.asyncio import Redis

from salambot.core.batching import Batcher
from salambot.core.problems import Problem
from salambot_contracts.rate_limit import RateLimit

_COUNT = """
local time = redis.call('time')
local now = time[1] + time[2] / 1e6
local function admit(key, limit, seconds, wanted)
  local kept = redis.call('hmget', key, 'part', 'current', 'previous')
  local part, left = math.floor(now / seconds), 1 - now % seconds / seconds
  local current, previous = tonumber(kept[2]) or 0, tonumber(kept[3]) or 0
  if tonumber(kept[1]) == part - 1 then previous, current = current, 0
  elseif tonumber(kept[1]) ~= part then previous, current = 0, 0 end
  local admitted = math.max(0, math.min(wanted, math.floor(limit - current - previous * left)))
  if admitted > 0 then
    current = current + admitted
    redis.call('hset', key, 'part', part, 'current', current, 'previous', previous)
    redis.call('pexpire', key, seconds * 2000)
  end
  local room, wait = limit - 1 - current, 0
  if room < 0 then wait = left + 1 - (limit - 1) / current
  elseif previous * left > room then wait = left - room / previous end
  return admitted, math.min(seconds, math.ceil(wait * seconds))
end
local limit, seconds, wanted, found = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), {}
if #KEYS > 1 then wanted = 0 end
for n = 2, #KEYS do
  local admitted, wait = admit(KEYS[n], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[n + 4]))
  wanted = wanted + admitted
  found[2 * n - 1], found[2 * n] = admitted, wait
end
found[1], found[2] = admit(KEYS[1], limit, seconds, wanted)
return found
"""
"""The tenant's window, then those of its clients: what a client may not ask does not count for its tenant.

Returns for each how many were admitted, and the seconds after which the next may be: a window at most.
"""


class _Refused(NamedTuple):
    """The window that refuses a request: `tenant` or `client`, and the seconds until it admits one again."""

    window: str
    wait_s: int


class TenantRateLimiter:
    """One limit for each tenant and one for each of its clients. Headers: draft-ietf-httpapi-ratelimit-headers-10.

    A limit for clients that is no stricter than the one for the tenant is left out: it would never refuse.
    """

    def __init__(
        self, name: str, rate: RateLimit, redis: Redis, *, client: RateLimit | None = None, key: bytes = b""
    ) -> None:
        self._name = name
        self._key = key
        self._rates = {"tenant": rate}
        if client is not None and (client.amount < rate.amount or client.per_second < rate.per_second):
            self._rates["client"] = client
        self._script = redis.register_script(_COUNT)
        self._trips: dict[str, Batcher[str, _Refused | None]] = {}
        policies = (f'"{self._named(who)}";q={one.amount};w={one.seconds}' for who, one in self._rates.items())
        self.policy: Mapping[str, str] = {"RateLimit-Policy": ", ".join(policies)}

    async def hit(self, tenant: str, client: str = "") -> None:
        """Count one request of this tenant's client; raises Problem 429 past a limit, RedisError when nobody counts."""
        hashed = hmac.new(self._key, client.encode(), hashlib.sha256).hexdigest()[:32]
        refused = await self._admits(tenant, hashed if "client" in self._rates else "")
        if refused is None:
            return
        wait = max(1, refused.wait_s)
        headers = {
            **self.policy,
            "RateLimit": f'"{self._named(refused.window)}";r=0;t={wait}',
            "Retry-After": str(wait),
        }
        detail = f"This {refused.window} may {self._name} {self._rates[refused.window]}."
        raise Problem(429, "rate_limited", detail, headers=headers)

    def _named(self, who: str) -> str:
        return self._name if who == "tenant" else f"{self._name}-{who}"

    async def _admits(self, tenant: str, client: str) -> _Refused | None:
        trips = self._trips.get(tenant)
        if trips is None:
            trips = self._trips[tenant] = Batcher(partial(self._count, tenant))
        try:
            return await trips(client)
        finally:
            if trips.idle:
                self._trips.pop(tenant, None)

    async def _count(self, tenant: str, clients: list[str]) -> list[_Refused | None]:
        """Return for each request the window that refuses it, if any."""
        limits = [number for rate in self._rates.values() for number in (rate.amount, rate.seconds)]
        wanted = Counter(clients) if "client" in self._rates else Counter[str]()
        keys = [self._window(tenant), *(self._window(tenant, one) for one in wanted)]
        arguments = [*limits[:2], len(clients), *limits[2:], *wanted.values()]
        left, wait, *found = await self._script(keys=keys, args=arguments)
        by_client = dict(zip(wanted, zip(found[::2], found[1::2], strict=True), strict=True))
        taken = Counter[str]()
        refusals: list[_Refused | None] = []
        for client in clients:
            taken[client] += 1
            admitted, client_wait = by_client.get(client, (math.inf, 0))
            if taken[client] > admitted:
                refusals.append(_Refused("client", client_wait))
            else:
                refusals.append(None if left > 0 else _Refused("tenant", wait))
                left -= 1
        return refusals

    def _window(self, tenant: str, client: str = "") -> str:
        """Return the key of a window. In a cluster all windows of one tenant lie on one node: the braces' hash tag."""
        return f"salambot:rate:{{{tenant}}}:{self._name}" + (f":{client}" if client else "")
