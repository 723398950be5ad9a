"""The vector store protocol. Text, manifest and a copy of every vector stay in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from salambot.knowledge.embedders.base import Vectors

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hit:
    """A vector found: the digest of its chunk's content, and the cosine similarity, -1 to 1."""

    digest: bytes
    similarity: float


class VectorStore(Protocol):
    """One index of one embedder's vectors, keyed by tenant and content digest. No call sees another tenant's."""

    @property
    def name(self) -> str:
        """The store, its index and the embedder: what `vector_entries` remembers as the holder of a vector."""
        ...

    async def prepare(self) -> None:
        """Create what is missing. Raises VectorStoreError when the index holds vectors of another shape."""
        ...

    async def upsert(self, tenant: str, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Write vectors; when it returns, all were accepted. Raises VectorStoreError."""
        ...

    async def build_index(self) -> None:
        """Make what was written quick to search, when a run has written everything. Raises VectorStoreError."""
        ...

    async def delete(self, tenant: str, digests: Sequence[bytes]) -> None:
        """Delete vectors; those that are not there are no error."""
        ...

    async def search(self, tenant: str, vector: Vector, limit: int) -> list[Hit]:
        """Return the nearest vectors, best first."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class VectorStoreError(Exception):
    """The store refused, or did not answer within its bounded retries; the message names it."""
