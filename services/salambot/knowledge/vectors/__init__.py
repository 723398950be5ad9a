"""Vector stores by name: `local` is pgvector in the same Postgres; each other file is one provider."""

from importlib import import_module

from salambot.core.database import Pool
from salambot.knowledge.embedders.base import Embedder
from salambot.knowledge.vectors.base import VectorStore

VECTORS = ("local", "pinecone", "qdrant")


def open_store(name: str, pool: Pool, embedder: Embedder) -> VectorStore:
    """Return the store that the variable VECTOR names, for the vectors of `embedder`; each reads its own settings."""
    if name not in VECTORS:
        raise ValueError(f"VECTOR should be one of {', '.join(VECTORS)}, not {name!r}")
    store: VectorStore = import_module(f"salambot.knowledge.vectors.{name}").open_store(pool, embedder)
    return store
