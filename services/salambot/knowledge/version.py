"""The version of a tenant's index: caches are keyed by it, so that a change of the index empties them."""

from redis.asyncio import Redis

from salambot.database import Pool, tenant_transaction

TRUSTED_S = 10
"""How long a version in Redis is believed: the longest that an old answer can live when a seed run could not say."""


def _key(tenant: str) -> str:
    return f"rag:version:{tenant}"


async def cached_version(redis: Redis, tenant: str) -> int | None:
    """Return the version as Redis knows it. Raises RedisError."""
    found = await redis.get(_key(tenant))
    return int(found) if found is not None else None


async def remember_version(redis: Redis, tenant: str, version: int) -> None:
    """Let others know what was read from Postgres. Raises RedisError."""
    await redis.set(_key(tenant), version, ex=TRUSTED_S)


async def forget_version(redis: Redis, tenant: str) -> None:
    """Have the next search look at Postgres again. Raises RedisError."""
    await redis.delete(_key(tenant))


async def current_version(pool: Pool, tenant: str) -> int:
    """Return the version of the index, 0 where there is none."""
    async with tenant_transaction(pool, tenant) as rows:
        return int(await rows.fetchval("SELECT version FROM index_state WHERE tenant = $1", tenant) or 0)
