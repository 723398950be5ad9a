"""From sections to chunks: what is embedded, indexed and cited."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from salambot.knowledge import parsers
from salambot.knowledge.parsers.base import Document, Section
from salambot.language import analysis
from salambot.language.detection import detect

CAPACITY = 1200
"""Characters of a chunk at most: about 300 tokens of French, 400 of Arabic."""
HEADING = 300
"""Characters of the headings above it at most: of a longer question the rest is searched by its words only."""
VERSION = "3"
PIPELINE = f"parse {parsers.VERSION}, chunk {VERSION}, analyse {analysis.VERSION}"
"""Versions of parser and chunker. Another value makes manifest entries stale."""
_K1, _B, _AVERAGE_TERMS = 1.2, 0.6, 60
"""BM25. The average is a constant: with the true one, each new document would change every weight."""
_HEADING_WEIGHT = 2
"""A term of the heading counts this often: a question's heading is what others ask."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk. `digest` is the SHA-256 of `embedded`, and is what its vector is kept under."""

    number: int
    heading: str
    text: str
    language: str
    embedded: str
    digest: bytes
    weights: dict[str, float]
    """Each term with BM25's saturated frequency; the idf is the query's business."""
    kind: str = "text"
    """`row` for a row of a table, a line `Header: value` for each cell."""


def chunk(document: Document) -> list[Chunk]:
    """Cut a document; blocking. The same document always gives the same chunks."""
    return [
        _chunk(number, document, section, text) for number, (section, text) in enumerate(_pieces(document.sections))
    ]


def _pieces(sections: tuple[Section, ...]) -> Iterator[tuple[Section, str]]:
    for section in sections:
        if len(section.text) <= CAPACITY:
            yield section, section.text
        else:
            yield from ((section, text) for text in _cut(section))


def _cut(section: Section) -> Iterator[str]:
    """Cut a long text between its paragraphs, else its sentences, else its words."""
    yield from _splitter(section.markup).chunks(section.text)


@cache
def _splitter(markup: str) -> MarkdownSplitter | TextSplitter:
    return MarkdownSplitter(CAPACITY) if markup == "markdown" else TextSplitter(CAPACITY)


def _chunk(number: int, document: Document, section: Section, text: str) -> Chunk:
    headings = section.headings
    heading = " > ".join(headings)[:HEADING]
    title = "" if document.title_is_name else document.title  # a renamed file is not embedded again
    embedded = "\n".join(part for part in (title, heading, text) if part)
    language = detect(f"{text}\n{' '.join(headings)}")
    return Chunk(
        number=number,
        heading=heading,
        text=text,
        language=language,
        embedded=embedded,
        digest=hashlib.sha256(embedded.encode()).digest(),
        weights=_weights(" ".join((document.title, *headings)), text, language),
        kind=section.kind,
    )


def _weights(heading: str, text: str, language: str) -> dict[str, float]:
    counts: Counter[str] = Counter()
    length = 0
    for part, factor in ((heading, _HEADING_WEIGHT), (text, 1)):
        for token in analysis.analyse(part, language):
            length += factor
            for term in {*token.forms, *token.concepts}:
                counts[term] += factor
    norm = _K1 * (1 - _B + _B * length / _AVERAGE_TERMS)
    return {term: count * (_K1 + 1) / (count + norm) for term, count in counts.items()}
