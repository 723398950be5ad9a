"""An embedder without a model: hashed character n-grams, stems, skeletons and concepts. Knows spelling, not meaning."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from salambot.embedders.base import Vectors
from salambot.language import detect
from salambot.text import analysis
from salambot.text.analysis import Token

DIMENSIONS = 1024
_SHORTEST, _LONGEST = 3, 5
_FORM_WEIGHT, _CONCEPT_WEIGHT = 0.7, 1.0
"""Against the n-grams of one word, which weigh 1 together."""
_OFF_THE_LOOP = 16
"""Texts from which on a thread is worth its cost."""


class LocalEmbedder:
    """1,024 dimensions, deterministic, about 0.1 ms a passage."""

    name = f"ngram-1.{analysis.VERSION}"
    dimensions = DIMENSIONS
    price = 0.0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed on this machine; many texts at once leave the loop free."""
        if len(texts) < _OFF_THE_LOOP:
            return _embed(texts)
        return await asyncio.to_thread(_embed, texts)

    async def embed_question(self, text: str) -> Vectors:
        """Embed as any text."""
        vector: Vectors = _embed([text])[0]
        return vector

    async def close(self) -> None:
        """Nothing is open."""


def _embed(texts: Sequence[str]) -> Vectors:
    vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for row, text in enumerate(texts):
        vectors[row] = _vector(analysis.analyse(text, detect(text)))
    return vectors


def _vector(tokens: Sequence[Token]) -> NDArray[np.float32]:
    if not tokens:
        return np.zeros(DIMENSIONS, dtype=np.float32)
    features = [_features(token) for token in tokens]
    slots = np.concatenate([slot for slot, _ in features])
    weights = np.concatenate([weight for _, weight in features])
    sums = np.bincount(slots, weights, minlength=DIMENSIONS)
    damped = np.sign(sums) * np.sqrt(np.abs(sums))  # a word said ten times is not ten times as important
    length = float(np.linalg.norm(damped))
    return (damped / length if length else damped).astype(np.float32)


@lru_cache(maxsize=8192)
def _features(token: Token) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the dimensions that a word touches, and by how much; the hash's last bit is the sign."""
    grams = list(_grams(f"^{token.word}$"))
    named = [(gram, 1.0 / math.sqrt(len(grams))) for gram in grams]
    named += [(form, _FORM_WEIGHT / math.sqrt(len(token.forms))) for form in token.forms]
    named += [(concept, _CONCEPT_WEIGHT) for concept in token.concepts]
    hashes = np.array([crc32(name.encode()) for name, _ in named], dtype=np.int64)
    weights = np.array([weight for _, weight in named])
    return ((hashes >> 1) % DIMENSIONS).astype(np.intp), np.where(hashes & 1, weights, -weights)


def _grams(padded: str) -> Iterator[str]:
    for size in range(_SHORTEST, _LONGEST + 1):
        for start in range(len(padded) - size + 1):
            yield padded[start : start + size]


def open_embedder() -> LocalEmbedder:
    """Return the embedder; it has no settings."""
    return LocalEmbedder()
