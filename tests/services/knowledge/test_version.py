"""One version for all: what a slow reader saw before a change never comes after it."""

from pathlib import Path

from salambot.core import database, redis_client
from salambot.knowledge.version import cache_version, cached_version, current_version, publish_version
from tests.knowledge import KnowledgeBase


async def test_a_reader_that_saw_the_index_before_a_change_cannot_say_so_after_it(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    base = KnowledgeBase(tmp_path / "objects", database_url, REDIS_URL=redis_url)
    base.write({"a.md": "# A\n\na\n"})
    await base.seed()
    redis = redis_client.connect(redis_url)
    async with await database.connect(database_url) as pool, redis:
        await redis.flushdb()
        assert await cached_version(redis, "demo") is None
        seen = await current_version(pool, "demo")
        base.write({"a.md": "# A\n\nb\n"})
        await base.seed()
        await cache_version(redis, "demo", seen)
        assert await cached_version(redis, "demo") is None
        assert await current_version(pool, "demo") > seen


async def test_who_reads_first_tells_the_others(redis_url: str) -> None:
    async with redis_client.connect(redis_url) as redis:
        await cache_version(redis, "demo", 7)
        await cache_version(redis, "demo", 6)
        assert await cached_version(redis, "demo") == 7
        await publish_version(redis, "demo")
        assert await cached_version(redis, "demo") is None
