"""How often one tenant may ask: a sliding window in Redis. What arrives during a round trip shares the next one."""

import math
import time
from collections.abc import Mapping
from functools import partial

from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis

from salambot.problems import Problem
from salambot.trips import SharedTrips


class RateLimit:
    """One limit for each tenant. Headers as in draft-ietf-httpapi-ratelimit-headers-10."""

    def __init__(self, name: str, rate: RateLimitItem, redis: Redis) -> None:
        self._name = name
        self._rate = rate
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="salambot:rate",
            connection_pool=redis.connection_pool,  # type: ignore[arg-type] # documented, but missing from its types
        )
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._trips: dict[str, SharedTrips[None, bool]] = {}
        self.policy: Mapping[str, str] = {"RateLimit-Policy": f'"{name}";q={rate.amount};w={rate.get_expiry()}'}

    async def spend(self, tenant: str) -> None:
        """Count one request of this tenant; raises Problem 429 past the limit, RedisError when nobody counts."""
        if await self._admits(tenant):
            return
        window = await self._window.get_window_stats(self._rate, self._name, tenant)
        wait = max(1, math.ceil(window.reset_time - time.time()))
        headers = {**self.policy, "RateLimit": f'"{self._name}";r=0;t={wait}', "Retry-After": str(wait)}
        raise Problem(429, "rate_limited", f"This tenant may {self._name} {self._rate}.", headers=headers)

    async def _admits(self, tenant: str) -> bool:
        trips = self._trips.get(tenant)
        if trips is None:
            trips = self._trips[tenant] = SharedTrips(partial(self._count, tenant))
        try:
            return await trips(None)
        finally:
            if trips.idle:
                self._trips.pop(tenant, None)

    async def _count(self, tenant: str, requests: list[None]) -> list[bool]:
        """Tell for each request whether it fits into the window."""
        if await self._window.hit(self._rate, self._name, tenant, cost=len(requests)):
            return [True] * len(requests)
        admitted = 0
        while len(requests) > 1 and admitted < len(requests) and await self._window.hit(self._rate, self._name, tenant):
            admitted += 1
        return [position < admitted for position in range(len(requests))]
