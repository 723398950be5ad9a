"""The peer of bench.indexing, run by a Python that has LlamaIndex: docstore upserts, everything kept in files."""

import asyncio
import sys
from pathlib import Path

from llama_index.core import Document
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import MarkdownNodeParser
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from salambot.knowledge.embedders.local import LocalEmbedder


class SameEmbedder(BaseEmbedding):
    """Our local embedder, as LlamaIndex calls one."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = asyncio.run(LocalEmbedder().embed(texts)).tolist()
        return vectors

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def main(documents: Path, kept: Path) -> None:
    """Bring what is kept up to date with the folder."""
    known = kept / "docstore.json"
    pipeline = IngestionPipeline(
        transformations=[MarkdownNodeParser(), SameEmbedder(embed_batch_size=256)],
        docstore=SimpleDocumentStore.from_persist_path(str(known)) if known.exists() else SimpleDocumentStore(),
        vector_store=SimpleVectorStore.from_persist_path(str(kept / "vectors.json"))
        if known.exists()
        else SimpleVectorStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
        disable_cache=True,
    )
    files = sorted(documents.rglob("*.md"))
    pipeline.run(
        documents=[Document(text=file.read_text(), id_=file.relative_to(documents).as_posix()) for file in files]
    )
    kept.mkdir(exist_ok=True)
    pipeline.docstore.persist(str(known))
    pipeline.vector_store.persist(str(kept / "vectors.json"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
