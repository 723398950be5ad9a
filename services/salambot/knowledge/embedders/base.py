"""The embedder protocol."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

Vectors = NDArray[np.float32]
"""Shape (texts, dimensions); every row has length 1, or is all zero where there was nothing to embed."""

TOKENS = Counter("salambot_embedding_tokens", "Tokens embedded, as the provider counts them", ("model",))
COST = Counter("salambot_embedding_cost_dollars", "What embedding cost, in US dollars", ("model",))


class Embedder(Protocol):
    """Texts in, vectors out. `name` changes whenever the vectors of a text would."""

    @property
    def name(self) -> str:
        """The model and its version: vectors of two names are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        ...

    @property
    def price(self) -> float | None:
        """US dollars a million tokens: 0 where embedding costs nothing, None where the price is not known."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a passage, in order. Raises EmbeddingError when the provider fails for good."""
        ...

    async def embed_question(self, text: str) -> Vectors:
        """Return the vector of a question, shape (dimensions,): some models want it marked. Raises EmbeddingError."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class EmbeddingError(Exception):
    """The provider refused, or did not answer within its bounded retries; the message names it."""
