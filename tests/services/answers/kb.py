"""A small business in memory: its documents cut as they are indexed, and searched by BM25 without a floor."""

import math
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from salambot.core.schemas import Passage
from salambot.knowledge import parsers as documents
from salambot.knowledge.chunks import Chunk, chunk
from salambot.rag.query import analyse_query

BUSINESSES = Path(__file__).parent / "businesses"


@dataclass(frozen=True)
class Asked:
    """A question with what its reply must hold, and must not: regular expressions over the folded reply."""

    ask: str
    must: tuple[str, ...]
    must_not: tuple[str, ...] = ()


@dataclass(frozen=True)
class Business:
    """The chunks of all documents, each with the passage that retrieval makes of it."""

    questions: tuple[Asked, ...]
    chunks: tuple[tuple[Chunk, Passage], ...]

    @cached_property
    def frequencies(self) -> Counter[str]:
        """In how many chunks each term stands."""
        return Counter(term for found, _ in self.chunks for term in found.weights)

    def search(self, query: str, top_k: int = 8) -> list[Passage]:
        """Return the best passages, the first with a score of 0.8."""
        scored = [(self._score(query, found), passage) for found, passage in self.chunks]
        best = sorted((item for item in scored if item[0]), key=lambda item: -item[0])[:top_k]
        return [passage.model_copy(update={"score": 0.8 * score / best[0][0]}) for score, passage in best]

    def _score(self, query: str, found: Chunk) -> float:
        return sum(
            max(
                (self._idf(term) * found.weights.get(term, 0.0) for term in (*token.forms, *token.concepts)),
                default=0.0,
            )
            for token in analyse_query(query).tokens
        )

    def _idf(self, term: str) -> float:
        count = self.frequencies[term]
        return math.log(1 + (len(self.chunks) - count + 0.5) / (count + 0.5))


def load_business(name: str) -> Business:
    """Read a business of the folder."""
    table = tomllib.loads((BUSINESSES / f"{name}.toml").read_text(encoding="utf-8"))
    questions = tuple(
        Asked(given["ask"], tuple(given["must"]), tuple(given.get("must_not", ()))) for given in table["questions"]
    )
    return Business(questions, tuple(_chunks(table["documents"])))


def passages_of(name: str, text: str) -> list[Passage]:
    """Return the passages of one document, all equally near."""
    return [passage for _, passage in _chunks({name: text})]


def _chunks(texts: dict[str, str]) -> list[tuple[Chunk, Passage]]:
    found = []
    for name, text in texts.items():
        document = documents.parse(name, text.strip().encode())
        found += [(each, _passage(name, document.title, each)) for each in chunk(document)]
    return found


def _passage(name: str, title: str, found: Chunk) -> Passage:
    heading = found.heading.rsplit(" > ", 1)[-1]
    return Passage(
        id=f"demo/{name}#{found.number}",
        score=0.8,
        title=title,
        text=f"## {heading}\n\n{found.text}" if heading else found.text,
        uri=f"file:///{name}",
        language=found.language,
        chunk=found.number,
        metadata={"heading": found.heading, "kind": found.kind},
    )
