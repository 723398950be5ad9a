"""How often one tenant may ask: a sliding window in Redis. What arrives during a round trip shares the next one."""

import asyncio
import math
import time
from collections.abc import Mapping

from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis

from salambot.problems import Problem

_Waiting = list[asyncio.Future[bool]]


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
        self._waiting: dict[str, _Waiting] = {}
        self._trips: set[asyncio.Task[None]] = set()
        self.policy: Mapping[str, str] = {"RateLimit-Policy": f'"{name}";q={rate.amount};w={rate.get_expiry()}'}

    async def spend(self, tenant: str) -> None:
        """Count one request of this tenant; raises Problem 429 past the limit, RedisError when nobody counts."""
        if await self._admits(tenant):
            return
        window = await self._window.get_window_stats(self._rate, self._name, tenant)
        wait = max(1, math.ceil(window.reset_time - time.time()))
        headers = {**self.policy, "RateLimit": f'"{self._name}";r=0;t={wait}', "Retry-After": str(wait)}
        raise Problem(429, "rate_limited", f"This tenant may {self._name} {self._rate}.", headers=headers)

    def _admits(self, tenant: str) -> asyncio.Future[bool]:
        admitted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if tenant in self._waiting:
            self._waiting[tenant].append(admitted)
        else:
            self._waiting[tenant] = [admitted]
            trip = asyncio.create_task(self._count_all(tenant))
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)
        return admitted

    async def _count_all(self, tenant: str) -> None:
        """Go to Redis and back until nobody of this tenant waits any more."""
        while waiting := self._waiting[tenant]:
            self._waiting[tenant] = []
            try:
                number = await self._count(tenant, len(waiting))
            except Exception as error:  # noqa: BLE001 - it is handed to those who wait
                for one in waiting:
                    _settle(one, error)
            else:
                for position, one in enumerate(waiting):
                    _settle(one, position < number)
        del self._waiting[tenant]

    async def _count(self, tenant: str, wanted: int) -> int:
        """Return how many of the wanted requests fit into the window."""
        if await self._window.hit(self._rate, self._name, tenant, cost=wanted):
            return wanted
        admitted = 0
        while wanted > 1 and admitted < wanted and await self._window.hit(self._rate, self._name, tenant):
            admitted += 1
        return admitted


def _settle(waiting: asyncio.Future[bool], outcome: bool | Exception) -> None:
    if waiting.done():  # who waited has left
        return
    if isinstance(outcome, bool):
        waiting.set_result(outcome)
    else:
        waiting.set_exception(outcome)
