"""Candidates from the two searches, read in one snapshot: a document is seen as it was or as it is, never half."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from salambot.core.database import Pool, tenant_transaction
from salambot.core.schemas import Passage
from salambot.knowledge.vectors.base import Hit
from salambot.language.analysis import CONCEPT, HEARD, SKELETON, Token, analyse
from salambot.rag.frequencies import Frequencies
from salambot.rag.query import AnalysedQuery, WeightedQuery, weight_query

LIMIT = 30
"""Candidates of each search; with a filter FILTERED, because many will not pass it."""
FILTERED = 400
MAX_POSTINGS = 10_000
"""Read for one question: what stands in most passages of a large index tells little, and costs most."""
_VARIANT, _CONCEPT = 0.6, 0.7
"""Of a term's idf: a skeleton or a concept stands for more than was said."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk with what each search thought of it; None where that search did not find it.

    `spelling` is its likeness by n-grams, where `similarity` is a model's; None where `similarity` is that already.
    """

    tenant: str
    row: Mapping[str, Any]
    terms: frozenset[str]
    heading: tuple[Token, ...]
    bm25: float | None
    similarity: float | None
    spelling: float | None = None

    @property
    def id(self) -> str:
        """The stable id `<tenant>/<document>#<chunk>`."""
        return f"{self.tenant}/{self.row['path']}#{self.row['number']}"

    @property
    def language(self) -> str:
        """The language of the chunk."""
        return str(self.row["language"])

    @property
    def is_row(self) -> bool:
        """Return True for a row of a table."""
        kind: str = orjson.loads(self.row["metadata"]).get("kind", "text")
        return kind == "row"

    def passage(self, score: float) -> Passage:
        """Return what the caller sees: the heading stands above the text, as it did in the document."""
        row = self.row
        metadata: dict[str, str] = orjson.loads(row["metadata"]) | {"updated_at": row["updated"]}
        text = row["text"]
        if heading := row["heading"]:
            metadata["heading"] = heading
            text = f"## {heading.rsplit(' > ', 1)[-1]}\n\n{text}"
        return Passage(
            id=self.id,
            score=round(score, 4),
            title=row["title"],
            text=text,
            uri=row["uri"],
            language=row["language"],
            chunk=row["number"],
            metadata=metadata,
        )


async def gather_candidates(
    pool: Pool,
    frequencies: Frequencies,
    tenant: str,
    question: AnalysedQuery,
    hits: Sequence[Hit],
    wanted: Mapping[str, str],
) -> tuple[WeightedQuery, list[Candidate]]:
    """Return the question weighed by this index, and the passages that match it or were hit, unordered."""
    async with tenant_transaction(pool, tenant) as rows:
        weighed, terms = _weigh(question, *await frequencies.of(rows, tenant, question.terms))
        similarities = {hit.digest: hit.similarity for hit in hits}
        found = await rows.fetch(
            _CANDIDATES,
            tenant,
            terms,
            [weighed.terms[term] * term_worth(term) for term in terms],
            list(similarities),
            FILTERED if wanted else LIMIT,
            orjson.dumps(dict(wanted)).decode(),
        )
    return weighed, [
        Candidate(
            tenant=tenant,
            row=dict(row),
            terms=frozenset(row["terms"]),
            heading=heading_tokens(row["heading"] or row["title"], row["language"]),
            bm25=row["bm25"],
            similarity=similarities.get(row["digest"]),
        )
        for row in found
    ]


@lru_cache(maxsize=4096)
def heading_tokens(heading: str, language: str) -> tuple[Token, ...]:
    """Return the tokens of a heading; remembered, because a passage is looked at again and again."""
    return tuple(analyse(heading, language))


def _weigh(question: AnalysedQuery, frequencies: Mapping[str, int], chunks: int) -> tuple[WeightedQuery, list[str]]:
    """Weigh the question; choose the terms to search by: the rarest, as long as their postings are few enough."""
    chosen: list[str] = []
    postings = 0
    for term in sorted(frequencies, key=frequencies.__getitem__):
        postings += frequencies[term]
        if chosen and postings > MAX_POSTINGS:
            break
        chosen.append(term)
    return weight_query(question, frequencies, chunks), chosen


def term_worth(term: str) -> float:
    """Return what a term counts in BM25 beside a stem, by its kind."""
    return _CONCEPT if term[0] == CONCEPT else _VARIANT if term[0] in {SKELETON, HEARD} else 1.0


_CANDIDATES = """
    WITH lexical AS (
      SELECT chunk, sum(postings.weight * asked.weight)::float8 AS bm25
      FROM unnest($2::text[], $3::float8[]) AS asked(term, weight)
      JOIN postings ON postings.tenant = $1 AND postings.term = asked.term
      GROUP BY chunk ORDER BY bm25 DESC LIMIT $5
    ), found AS (
      SELECT chunk AS key FROM lexical UNION SELECT key FROM chunks WHERE tenant = $1 AND digest = ANY($4))
    SELECT bm25, chunks.digest, path, number, heading, text, language, metadata, terms, title, uri,
      to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS updated
    FROM found JOIN chunks USING (key) JOIN documents USING (tenant, path) LEFT JOIN lexical ON lexical.chunk = key
    WHERE tenant = $1 AND metadata @> $6::jsonb"""
