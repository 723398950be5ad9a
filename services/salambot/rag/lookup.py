"""One question looked up in the index: analysed, searched in two ways, fused and judged."""

import asyncio

import structlog
from prometheus_client import Counter, Histogram

from salambot import tracing
from salambot.database import Pool
from salambot.embedders.base import Embedder, EmbeddingError
from salambot.messages import Passage, SearchRequest
from salambot.rag.candidates import FILTERED, LIMIT, gather_candidates
from salambot.rag.frequencies import Frequencies
from salambot.rag.question import ask
from salambot.rag.ranking import rank
from salambot.vectors.base import Hit, VectorStore, VectorStoreError

DENSE_TIMEOUT_S = 5
FLOOR = 0.36
"""Passages that score less are not returned: found by bench/retrieval, where answers and nonsense part."""
_HITS = Counter("salambot_retrieval_hits", "Passages returned")
_EMPTY = Counter("salambot_retrieval_empty", "Searches that found nothing relevant")
_RELEVANCE = Histogram(
    "salambot_retrieval_relevance",
    "Score of the best passage, 0 to 1",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)
_log = structlog.get_logger(__name__)


class Lookup:
    """Looks questions up in every tenant's index; each call sees one tenant's."""

    def __init__(self, pool: Pool, store: VectorStore, embedder: Embedder, floor: float = FLOOR) -> None:
        self._pool = pool
        self._store = store
        self._embedder = embedder
        self._floor = floor
        self._frequencies = Frequencies()

    async def passages(self, request: SearchRequest) -> list[Passage]:
        """Return the passages that answer, best first. Raises DatabaseUnavailable."""
        with tracing.step("retrieval", {"salambot.vector": self._store.name}) as span:
            passages = await self._look_up(request)
            span.set_attribute("salambot.hits", len(passages))
        _HITS.inc(len(passages))
        if passages:
            _RELEVANCE.observe(passages[0].score)
        else:
            _EMPTY.inc()
        return passages

    async def _look_up(self, request: SearchRequest) -> list[Passage]:
        question = ask(request.query)
        if not question.tokens:
            return []
        hits = await self._dense(request, question.text)
        weighed, candidates = await gather_candidates(
            self._pool, self._frequencies, request.tenant, question, hits, request.filter
        )
        return rank(weighed, candidates, floor=self._floor, top_k=request.top_k)

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
