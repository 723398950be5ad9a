"""A business's index in memory: the same chunks, weights and candidates as Postgres and the vector store give."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import orjson

from bench.answers.business import Business, IndexedChunk
from salambot.core.schemas import Turn
from salambot.knowledge.embedders.base import Embedder, Vectors
from salambot.knowledge.embedders.local import LocalEmbedder
from salambot.language.query_rewriting import read
from salambot.rag.candidates import LIMIT, Candidate, heading_tokens, term_worth
from salambot.rag.query import AnalysedQuery, WeightedQuery, analyse_query, weight_query
from salambot.rag.spelling import with_spelling


class MemoryIndex:
    """Finds candidates as rag does, without Postgres. `vectors` has one row a chunk."""

    def __init__(self, business: Business, vectors: Vectors, *, is_model: bool = False) -> None:
        self._is_model = is_model
        self.chunks = business.chunks
        self._vectors = vectors
        self._terms = [frozenset(item.chunk.weights) for item in self.chunks]
        self._frequencies = Counter(term for terms in self._terms for term in terms)
        self._postings: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for at, item in enumerate(self.chunks):
            for term, weight in item.chunk.weights.items():
                self._postings[term].append((at, weight))

    def find(
        self, question: AnalysedQuery, vector: Vectors
    ) -> tuple[WeightedQuery, list[Candidate], list[IndexedChunk]]:
        """Return the weighed question and its candidates, each with its chunk, unordered."""
        known = {term: count for term in question.terms if (count := self._frequencies[term])}
        weighed = weight_query(question, known, len(self.chunks))
        bm25: defaultdict[int, float] = defaultdict(float)
        for term in known:
            for at, weight in self._postings[term]:
                bm25[at] += weight * weighed.terms[term] * term_worth(term)
        similarity = self._vectors @ vector
        nearest = [int(at) for at in np.argsort(-similarity)[:LIMIT]] if vector.any() else []
        chosen = sorted({*sorted(bm25, key=lambda at: -bm25[at])[:LIMIT], *nearest})
        near = set(nearest)
        candidates = [self._candidate(at, bm25.get(at), similarity[at] if at in near else None) for at in chosen]
        if self._is_model:
            candidates = with_spelling(question.text, candidates)
        return weighed, candidates, [self.chunks[at] for at in chosen]

    def _candidate(self, at: int, bm25: float | None, similarity: float | None) -> Candidate:
        item = self.chunks[at]
        row = {
            "path": item.document,
            "number": item.chunk.number,
            "heading": item.chunk.heading,
            "text": item.chunk.text,
            "language": item.chunk.language,
            "title": item.title,
            "uri": item.document,
            "metadata": orjson.dumps({"kind": item.chunk.kind}).decode(),
            "updated": "",
        }
        heading = heading_tokens(item.chunk.heading or item.title, item.chunk.language)
        return Candidate("bench", row, self._terms[at], heading, bm25, similarity)


async def build_index(business: Business, embedder: Embedder) -> MemoryIndex:
    """Embed a business's chunks and index them."""
    vectors = await embedder.embed([item.chunk.embedded for item in business.chunks])
    return MemoryIndex(business, vectors, is_model=not isinstance(embedder, LocalEmbedder))


def ask_after(text: str, before: Sequence[str]) -> AnalysedQuery:
    """Analyse a question after earlier turns, as orchestrateur and rag do together."""
    reading = read(text, turns_of(before))
    return analyse_query(reading.prompt, reading.before)


def turns_of(before: Sequence[str]) -> list[Turn]:
    """Return earlier turns, the customer's first."""
    return [Turn(role="assistant" if at % 2 else "user", content=content) for at, content in enumerate(before)]


def share(values: Sequence[bool]) -> float:
    """Return the share of true ones, NaN of none."""
    return sum(values) / len(values) if values else math.nan
