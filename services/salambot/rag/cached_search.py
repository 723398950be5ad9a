"""Search with a memory: an answer is kept, in this process and in Redis, until the index changes."""

import asyncio
import time
from collections import OrderedDict
from hashlib import sha256

import orjson
import structlog
from prometheus_client import Histogram
from redis.asyncio import Redis
from redis.exceptions import RedisError

from salambot.core.batching import Batcher
from salambot.core.database import Pool
from salambot.core.metrics import TimedHistogram
from salambot.core.schemas import RetrievalRequest
from salambot.knowledge.version import (
    CACHE_TTL_SECONDS,
    MAX_STALENESS_SECONDS,
    cache_version,
    cached_version,
    current_version,
)
from salambot.rag.retrieval import Retriever

MAX_ENTRIES = 512
"""Answers in this process, beside those in Redis."""
_DURATION = Histogram("salambot_retrieval_duration_seconds", "Searching, by where the answer came from", ("source",))
_TIMINGS = {source: TimedHistogram(_DURATION.labels(source)) for source in ("memory", "redis", "index")}
_log = structlog.get_logger(__name__)


class CachedRetriever:
    """Remembers what was looked up, as long as the index stays as it is."""

    def __init__(self, lookup: Retriever, pool: Pool, redis: Redis, *, cache_s: int) -> None:
        self._lookup = lookup
        self._pool = pool
        self._redis = redis
        self._cache_s = cache_s
        self._versions: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._read_again = Batcher(self._fresh_versions)
        self._without_redis_until = 0.0
        self._remembered: OrderedDict[str, bytes] = OrderedDict()

    async def search(self, request: RetrievalRequest) -> bytes:
        """Return the passages as JSON. Raises DatabaseUnavailableError; without Redis it only takes longer."""
        started = time.perf_counter()
        version = await self._version(request.tenant)
        key = _key(request, version)
        source, found = "memory", self._remembered.get(key)
        if found is None:
            source, found = "redis", await self._recall(key)
        if found is None:
            passages = await self._lookup.retrieve(request)
            source, found = "index", orjson.dumps([passage.model_dump() for passage in passages])
            await self._keep(key, found)
        self._remember(key, found)
        _TIMINGS[source].observe(time.perf_counter() - started)
        return found

    async def _version(self, tenant: str) -> int:
        believed = self._believed(tenant)
        return believed if believed is not None else await self._read_again(tenant)

    def _believed(self, tenant: str) -> int | None:
        until, version = self._versions.get(tenant, (0.0, 0))
        return version if until > time.monotonic() else None

    async def _fresh_versions(self, tenants: list[str]) -> list[int]:
        """Read the version of each tenant once, for all who came to need it at the same time."""
        each = [*dict.fromkeys(tenants)]
        versions = dict(zip(each, await asyncio.gather(*map(self._fresh_version, each)), strict=True))
        return [versions[tenant] for tenant in tenants]

    async def _fresh_version(self, tenant: str) -> int:
        believed = self._believed(tenant)
        if believed is not None:  # read by those who waited before
            return believed
        now = time.monotonic()
        version = await self._shared_version(tenant) if self._asks_redis() else None
        if version is None:
            version = await current_version(self._pool, tenant)
        self._versions[tenant] = (now + CACHE_TTL_SECONDS, version)
        _bound(self._versions)
        return version

    async def _shared_version(self, tenant: str) -> int | None:
        try:
            version = await cached_version(self._redis, tenant)
            if version is None:
                version = await current_version(self._pool, tenant)
                await cache_version(self._redis, tenant, version)
        except RedisError:
            self._leave_redis()
            return None
        return version

    async def _recall(self, key: str) -> bytes | None:
        try:
            found = await self._redis.get(key) if self._cache_s and self._asks_redis() else None
        except RedisError:
            self._leave_redis()
            return None
        return found if isinstance(found, bytes) else None

    async def _keep(self, key: str, found: bytes) -> None:
        try:
            if self._cache_s and self._asks_redis():
                await self._redis.set(key, found, ex=self._cache_s)
        except RedisError:
            self._leave_redis()

    def _asks_redis(self) -> bool:
        return time.monotonic() > self._without_redis_until

    def _leave_redis(self) -> None:
        """Do without Redis until nothing is left in it of before: a version that it kept may be old.

        One that is silent would also hold up each search, three times, for longer than anybody waits.
        """
        self._without_redis_until = time.monotonic() + MAX_STALENESS_SECONDS
        _log.warning("searching without redis", exc_info=True)

    def _remember(self, key: str, found: bytes) -> None:
        self._remembered[key] = found
        self._remembered.move_to_end(key)
        _bound(self._remembered)


def _bound(entries: OrderedDict[str, bytes] | OrderedDict[str, tuple[float, int]]) -> None:
    while len(entries) > MAX_ENTRIES:
        entries.popitem(last=False)


def _key(request: RetrievalRequest, version: int) -> str:
    """Return a key that says nothing of the question: only its digest is stored."""
    asked = orjson.dumps([request.query, request.before, request.floor, request.top_k, sorted(request.filter.items())])
    return f"rag:search:{request.tenant}:{version}:{sha256(asked).hexdigest()}"
