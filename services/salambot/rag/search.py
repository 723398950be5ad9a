"""One search: analysed, looked up in two ways, fused and judged; remembered until the index changes."""

import asyncio
import time
from collections import OrderedDict
from hashlib import sha256

import orjson
import structlog
from prometheus_client import Counter, Histogram
from redis.asyncio import Redis
from redis.exceptions import RedisError

from salambot.database import Pool
from salambot.embedders.base import Embedder, EmbeddingError
from salambot.knowledge.version import cached_version, current_version, remember_version
from salambot.messages import Passage, SearchRequest
from salambot.rag.candidates import FILTERED, LIMIT, gather_candidates
from salambot.rag.question import ask
from salambot.rag.ranking import rank
from salambot.vectors.base import Hit, VectorStore, VectorStoreError

FRESH_S = 0.25
"""How long a version is believed without asking Redis again."""
DENSE_TIMEOUT_S = 5
MOST_REMEMBERED = 512
"""Answers in this process, beside those in Redis."""
_DURATION = Histogram("salambot_retrieval_duration_seconds", "Searching, by where the answer came from", ("source",))
_HITS = Counter("salambot_retrieval_hits", "Passages returned")
_log = structlog.get_logger(__name__)


class Searcher:
    """Searches every tenant's index; each call sees one tenant's."""

    def __init__(
        self, pool: Pool, redis: Redis, store: VectorStore, embedder: Embedder, *, floor: float, cache_s: int
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._store = store
        self._embedder = embedder
        self._floor = floor
        self._cache_s = cache_s
        self._versions: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._remembered: OrderedDict[str, bytes] = OrderedDict()

    async def search(self, request: SearchRequest) -> bytes:
        """Return the passages as JSON. Raises DatabaseUnavailable; without Redis it only takes longer."""
        started = time.perf_counter()
        version = await self._version(request.tenant)
        key = _key(request, version)
        source, found = "memory", self._remembered.get(key)
        if found is None:
            source, found = "redis", await self._recall(key)
        if found is None:
            source, found = "index", await self._look_up(request)
            await self._keep(key, found)
        self._remember(key, found)
        _DURATION.labels(source).observe(time.perf_counter() - started)
        return found

    async def _look_up(self, request: SearchRequest) -> bytes:
        question = ask(request.query)
        passages: list[Passage] = []
        if question.tokens:
            hits = await self._dense(request, question.text)
            weighed, candidates = await gather_candidates(self._pool, request.tenant, question, hits, request.filter)
            passages = rank(weighed, candidates, floor=self._floor, top_k=request.top_k)
        _HITS.inc(len(passages))
        return orjson.dumps([passage.model_dump() for passage in passages])

    async def _dense(self, request: SearchRequest, text: str) -> list[Hit]:
        """Search by vectors; a provider that fails leaves the text search, which is better than no answer."""
        try:
            async with asyncio.timeout(DENSE_TIMEOUT_S):
                vector = (await self._embedder.embed([text]))[0]
                if not vector.any():
                    return []
                return await self._store.search(request.tenant, vector, FILTERED if request.filter else LIMIT)
        except (EmbeddingError, VectorStoreError, TimeoutError):
            _log.warning("searching without vectors", store=self._store.name, exc_info=True)
            return []

    async def _version(self, tenant: str) -> int:
        believed = self._versions.get(tenant)
        if believed is not None and believed[0] > time.monotonic():
            return believed[1]
        try:
            version = await cached_version(self._redis, tenant)
            if version is None:
                version = await current_version(self._pool, tenant)
                await remember_version(self._redis, tenant, version)
        except RedisError:
            version = await current_version(self._pool, tenant)
        self._versions[tenant] = (time.monotonic() + FRESH_S, version)
        _bound(self._versions)
        return version

    async def _recall(self, key: str) -> bytes | None:
        try:
            found = await self._redis.get(key) if self._cache_s else None
        except RedisError:
            return None
        return found if isinstance(found, bytes) else None

    async def _keep(self, key: str, found: bytes) -> None:
        try:
            if self._cache_s:
                await self._redis.set(key, found, ex=self._cache_s)
        except RedisError:
            _log.warning("an answer was not cached", exc_info=True)

    def _remember(self, key: str, found: bytes) -> None:
        self._remembered[key] = found
        self._remembered.move_to_end(key)
        _bound(self._remembered)


def _bound(entries: OrderedDict[str, bytes] | OrderedDict[str, tuple[float, int]]) -> None:
    while len(entries) > MOST_REMEMBERED:
        entries.popitem(last=False)


def _key(request: SearchRequest, version: int) -> str:
    """Return a key that says nothing of the question: only its digest is stored."""
    asked = orjson.dumps([request.query, request.top_k, sorted(request.filter.items())])
    return f"rag:search:{request.tenant}:{version}:{sha256(asked).hexdigest()}"
