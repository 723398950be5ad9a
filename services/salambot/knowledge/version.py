"""The version of a tenant's index: caches are keyed by it, so that a change of the index empties them."""

import asyncio

from redis.asyncio import Redis

from salambot.core.database import Pool, tenant_transaction

CACHE_TTL_SECONDS = 0.25
"""How long a process believes a version without asking Redis again."""
MAX_STALENESS_SECONDS = 10
"""How long a version in Redis is believed: the longest that an old answer can live when a seed run could not say."""
_CHANGED = b""
_CHANGED_SECONDS = 30
"""How long Redis takes no version after a change: longer than any reader takes between Postgres and Redis."""


def _key(tenant: str) -> str:
    return f"rag:index:{tenant}"


async def cached_version(redis: Redis, tenant: str) -> int | None:
    """Return the version as Redis knows it. Raises RedisError."""
    found = await redis.get(_key(tenant))
    return int(found) if found else None


async def cache_version(redis: Redis, tenant: str, version: int) -> None:
    """Let others know what was read from Postgres, unless the index has changed since. Raises RedisError."""
    await redis.set(_key(tenant), version, ex=MAX_STALENESS_SECONDS, nx=True)


async def publish_version(redis: Redis, tenant: str) -> None:
    """Return once every search looks at the index as Postgres has it now. Raises RedisError."""
    await redis.set(_key(tenant), _CHANGED, ex=_CHANGED_SECONDS)
    await asyncio.sleep(CACHE_TTL_SECONDS)


async def current_version(pool: Pool, tenant: str) -> int:
    """Return the version of the index, 0 where there is none."""
    async with tenant_transaction(pool, tenant) as rows:
        return int(await rows.fetchval("SELECT version FROM index_state WHERE tenant = $1", tenant) or 0)
