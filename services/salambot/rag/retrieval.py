"""One question looked up in the index: analysed, searched in two ways, fused and judged."""

import asyncio

import structlog
from prometheus_client import Counter, Histogram

from salambot.core import tracing
from salambot.core.database import Pool
from salambot.core.explanations import SearchExplanation
from salambot.core.schemas import Passage, RetrievalRequest
from salambot.knowledge.embedders.base import Embedder, EmbeddingError
from salambot.knowledge.embedders.local import LocalEmbedder
from salambot.knowledge.vectors.base import Hit, VectorStore, VectorStoreError
from salambot.rag.calibration import Calibration
from salambot.rag.candidates import FILTERED, LIMIT, Candidate, gather_candidates
from salambot.rag.explanation import explain, explain_nothing_asked
from salambot.rag.frequencies import Frequencies
from salambot.rag.query import AnalysedQuery, WeightedQuery, analyse_query
from salambot.rag.ranking import rank
from salambot.rag.spelling import with_spelling

DENSE_TIMEOUT_SECONDS = 5
_HITS = Counter("salambot_retrieval_hits", "Passages returned")
_EMPTY = Counter("salambot_retrieval_empty", "Searches that found nothing relevant")
_RELEVANCE = Histogram(
    "salambot_retrieval_relevance",
    "Score of the best passage, 0 to 1",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)
_log = structlog.get_logger(__name__)


class Retriever:
    """Looks questions up in every tenant's index; each call sees one tenant's.

    Nothing is returned where the best passage answers with a probability below `floor`; without one, below the
    calibration's, at which one in twenty questions that nothing answers gets an answer.
    """

    def __init__(
        self,
        pool: Pool,
        store: VectorStore,
        embedder: Embedder,
        calibration: Calibration,
        floor: float | None = None,
    ) -> None:
        self._pool = pool
        self._store = store
        self._embedder = embedder
        self._calibration = calibration
        self._floor = calibration.floor if floor is None else floor
        self._frequencies = Frequencies()

    async def retrieve(self, request: RetrievalRequest) -> list[Passage]:
        """Return the passages that answer, best first. Raises DatabaseUnavailableError."""
        with tracing.start_step("retrieval", {"salambot.vector": self._store.name}) as span:
            passages = await self._look_up(request)
            span.set_attribute("salambot.hits", len(passages))
        _HITS.inc(len(passages))
        if passages:
            _RELEVANCE.observe(passages[0].score)
        else:
            _EMPTY.inc()
        return passages

    async def _look_up(self, request: RetrievalRequest) -> list[Passage]:
        question = analyse_query(request.query, request.before)
        if not question.tokens:
            return []
        weighed, candidates = await self._gather(request, question)
        return rank(weighed, candidates, self._calibration, floor=self._floor_of(request), top_k=request.top_k)

    async def explain(self, request: RetrievalRequest) -> SearchExplanation:
        """Return what each stage made of a question, in numbers. Raises DatabaseUnavailableError."""
        question, floor = analyse_query(request.query, request.before), self._floor_of(request)
        if not question.tokens:
            return explain_nothing_asked(question, floor)
        weighed, candidates = await self._gather(request, question)
        return explain(weighed, candidates, self._calibration, floor=floor, top_k=request.top_k)

    async def _gather(
        self, request: RetrievalRequest, question: AnalysedQuery
    ) -> tuple[WeightedQuery, list[Candidate]]:
        hits = await self._dense(request, question.text)
        weighed, candidates = await gather_candidates(
            self._pool, self._frequencies, request.tenant, question, hits, request.filter
        )
        if not isinstance(self._embedder, LocalEmbedder):
            candidates = await asyncio.to_thread(with_spelling, question.text, candidates)
        return weighed, candidates

    def _floor_of(self, request: RetrievalRequest) -> float:
        return self._floor if request.floor is None else request.floor

    async def _dense(self, request: RetrievalRequest, text: str) -> list[Hit]:
        """Search by vectors; a provider that fails leaves the text search, which is better than no answer."""
        try:
            async with asyncio.timeout(DENSE_TIMEOUT_SECONDS):
                vector = await self._embedder.embed_question(text)
                if not vector.any():
                    return []
                return await self._store.search(request.tenant, vector, FILTERED if request.filter else LIMIT)
        except (EmbeddingError, VectorStoreError, TimeoutError):
            _log.warning("searching without vectors", store=self._store.name, exc_info=True)
            return []
