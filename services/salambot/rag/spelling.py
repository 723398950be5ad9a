"""Likeness by spelling beside a model's: a model knows no Darija in Latin letters, and takes one name for another."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from salambot.knowledge.embedders.base import Vectors
from salambot.knowledge.embedders.local import embed_now
from salambot.rag.candidates import Candidate


def with_spelling(question: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with their likeness to a question by n-grams; blocking, 0.2 ms for each one first seen."""
    asked = embed_now([question])[0]
    return [replace(candidate, spelling=float(_vector(_text(candidate)) @ asked)) for candidate in candidates]


def _text(candidate: Candidate) -> str:
    row = candidate.row
    return "\n".join(part for part in (row["title"], row["heading"], row["text"]) if part)


@lru_cache(maxsize=4096)
def _vector(text: str) -> Vectors:
    vector: Vectors = embed_now([text])[0]
    return vector
