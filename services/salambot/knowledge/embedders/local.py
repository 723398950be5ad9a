"""An embedder without a model: hashed character n-grams, stems, skeletons and concepts, and a table of meanings."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from salambot.knowledge.embedders.base import Vectors
from salambot.language import analysis, meanings
from salambot.language.analysis import Token
from salambot.language.detection import detect

_HASHED = 960
DIMENSIONS = _HASHED + meanings.DIMENSIONS
_MEANING_SHARE = 0.4
"""Of the square of a vector's length: what words mean finds documents in another language, which no spelling does."""
_SHORTEST, _MAX_LENGTH = 3, 5
_FORM_WEIGHT, _CONCEPT_WEIGHT = 0.7, 1.0
"""Against the n-grams of one word, which weigh 1 together."""
_OFF_THE_LOOP = 16
"""Texts from which on a thread is worth its cost."""


class LocalEmbedder:
    """1,024 dimensions, deterministic, about 0.2 ms a passage."""

    name = f"ngram-2.{analysis.VERSION}"
    dimensions = DIMENSIONS
    price = 0.0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed on this machine; many texts at once leave the loop free."""
        if len(texts) < _OFF_THE_LOOP:
            return embed_now(texts)
        return await asyncio.to_thread(embed_now, texts)

    async def embed_question(self, text: str) -> Vectors:
        """Embed as any text."""
        vector: Vectors = embed_now([text])[0]
        return vector

    async def close(self) -> None:
        """Nothing is open."""


def embed_now(texts: Sequence[str]) -> Vectors:
    """Embed in the calling thread."""
    vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for row, text in enumerate(texts):
        language = detect(text)
        vectors[row] = _vector(analysis.analyse(text, language), language)
    return vectors


def _vector(tokens: Sequence[Token], language: str) -> NDArray[np.float32]:
    """Return spelling and meaning side by side: their cosine is the weighted mean of the two."""
    if not tokens:
        return np.zeros(DIMENSIONS, dtype=np.float32)
    rows = [row for token in tokens if (row := meanings.row_of(token, language)) is not None]
    meaning = meanings.sentence(np.array(rows, dtype=np.intp)) * math.sqrt(_MEANING_SHARE)
    both = np.concatenate([_spelling(tokens) * math.sqrt(1 - _MEANING_SHARE), meaning])
    length = float(np.linalg.norm(both))
    return (both / length if length else both).astype(np.float32)


def _spelling(tokens: Sequence[Token]) -> NDArray[np.float64]:
    features = [_features(token) for token in tokens]
    slots = np.concatenate([slot for slot, _ in features])
    weights = np.concatenate([weight for _, weight in features])
    sums = np.bincount(slots, weights, minlength=_HASHED)
    damped = np.sign(sums) * np.sqrt(np.abs(sums))  # a word said ten times is not ten times as important
    length = float(np.linalg.norm(damped))
    unit: NDArray[np.float64] = damped / length if length else damped
    return unit


@lru_cache(maxsize=8192)
def _features(token: Token) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the dimensions that a word touches, and by how much; the hash's last bit is the sign."""
    grams = list(_grams(f"^{token.word}$"))
    named = [(gram, 1.0 / math.sqrt(len(grams))) for gram in grams]
    named += [(form, _FORM_WEIGHT / math.sqrt(len(token.forms))) for form in token.forms]
    named += [(concept, _CONCEPT_WEIGHT) for concept in token.concepts]
    hashes = np.array([crc32(name.encode()) for name, _ in named], dtype=np.int64)
    weights = np.array([weight for _, weight in named])
    return ((hashes >> 1) % _HASHED).astype(np.intp), np.where(hashes & 1, weights, -weights)


def _grams(padded: str) -> Iterator[str]:
    for size in range(_SHORTEST, _MAX_LENGTH + 1):
        for start in range(len(padded) - size + 1):
            yield padded[start : start + size]


def open_embedder() -> LocalEmbedder:
    """Return the embedder; it has no settings."""
    return LocalEmbedder()
