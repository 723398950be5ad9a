"""A copy of every vector in Postgres, and what each store holds: changing stores embeds nothing."""

import hashlib
from collections.abc import Sequence

import numpy as np

from salambot.core.database import Pool, tenant_transaction
from salambot.knowledge.embedders.base import Vectors

_WIRE = np.dtype(">f2")


class Embeddings:
    """One tenant's copy of every vector of one embedder, and the list of those that a vector store accepted."""

    def __init__(self, pool: Pool, tenant: str, embedder: str, store: str) -> None:
        self._pool = pool
        self._tenant = tenant
        self._embedder = embedder
        self._store = store

    async def find_embedded(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return those of `digests` that are embedded."""
        return await self._column(
            "SELECT digest FROM embeddings WHERE tenant = $1 AND embedder = $2 AND digest = ANY($3)",
            self._embedder,
            list(digests),
        )

    async def save(self, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors, in half precision."""
        wire = [row.astype(_WIRE).tobytes() for row in vectors]
        async with tenant_transaction(self._pool, self._tenant) as rows:
            await rows.execute(
                """
                INSERT INTO embeddings SELECT $1, $2, * FROM unnest($3::bytea[], $4::bytea[])
                ON CONFLICT (tenant, embedder, digest) DO UPDATE SET embedding = excluded.embedding""",
                self._tenant,
                self._embedder,
                list(digests),
                wire,
            )

    async def load(self, digests: Sequence[bytes]) -> tuple[list[bytes], Vectors]:
        """Return those of `digests` that are embedded, with their vectors."""
        async with tenant_transaction(self._pool, self._tenant) as rows:
            found = await rows.fetch(
                "SELECT digest, embedding FROM embeddings WHERE tenant = $1 AND embedder = $2 AND digest = ANY($3) "
                "ORDER BY digest",
                self._tenant,
                self._embedder,
                list(digests),
            )
        vectors = np.array([np.frombuffer(row["embedding"], dtype=_WIRE) for row in found], dtype=np.float32)
        return [row["digest"] for row in found], vectors

    async def find_stored(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return those of `digests` that the store accepted."""
        return await self._column(
            "SELECT digest FROM vector_entries WHERE tenant = $1 AND store = $2 AND digest = ANY($3)",
            self._store,
            list(digests),
        )

    async def mark_stored(self, digests: Sequence[bytes]) -> None:
        """Remember that the store accepted these."""
        async with tenant_transaction(self._pool, self._tenant) as rows:
            await rows.execute(
                "INSERT INTO vector_entries SELECT $1, $2, * FROM unnest($3::bytea[]) ON CONFLICT DO NOTHING",
                self._tenant,
                self._store,
                list(digests),
            )

    async def find_pending(self, limit: int) -> list[tuple[bytes, str]]:
        """Return up to `limit` chunks that the store lacks, as digest and the text to embed where that is missing."""
        async with tenant_transaction(self._pool, self._tenant) as rows:
            found = await rows.fetch(_UNSTORED, self._tenant, self._store, limit)
        return [(row["digest"], _embedded(*row)) for row in found]

    async def find_orphans(self, limit: int) -> list[bytes]:
        """Return up to `limit` digests that the store holds and no chunk has any more."""
        async with tenant_transaction(self._pool, self._tenant) as rows:
            found = await rows.fetch(_UNUSED, self._tenant, self._store, limit)
        return [row["digest"] for row in found]

    async def delete(self, digests: Sequence[bytes]) -> None:
        """Forget vectors that the store has deleted."""
        async with tenant_transaction(self._pool, self._tenant) as rows:
            await rows.execute(
                "DELETE FROM vector_entries WHERE tenant = $1 AND store = $2 AND digest = ANY($3)",
                self._tenant,
                self._store,
                list(digests),
            )

    async def drop_unused(self) -> None:
        """Delete the kept vectors that no chunk has any more, whatever embedder made them."""
        async with tenant_transaction(self._pool, self._tenant) as rows:
            await rows.execute(_DROP_UNUSED, self._tenant)

    async def _column(self, query: str, *arguments: object) -> set[bytes]:
        async with tenant_transaction(self._pool, self._tenant) as rows:
            return {row["digest"] for row in await rows.fetch(query, self._tenant, *arguments)}


def _embedded(digest: bytes, title: str, body: str) -> str:
    """Return the text that was embedded: the digest shows whether the title was the file's own, or made of its name."""
    return body if hashlib.sha256(body.encode()).digest() == digest else f"{title}\n{body}"


_UNSTORED = """
    SELECT DISTINCT ON (chunks.digest) chunks.digest, title, concat_ws(E'\n', nullif(heading, ''), text) AS body
    FROM chunks JOIN documents USING (tenant, path)
    WHERE tenant = $1 AND NOT EXISTS (SELECT FROM vector_entries AS stored
      WHERE stored.tenant = $1 AND stored.store = $2 AND stored.digest = chunks.digest)
    ORDER BY chunks.digest LIMIT $3"""
_UNUSED = """
    SELECT digest FROM vector_entries
    WHERE tenant = $1 AND store = $2
      AND NOT EXISTS (SELECT FROM chunks WHERE chunks.tenant = $1 AND chunks.digest = vector_entries.digest)
    LIMIT $3"""
_DROP_UNUSED = """
    DELETE FROM embeddings WHERE tenant = $1
      AND NOT EXISTS (SELECT FROM chunks WHERE chunks.tenant = $1 AND chunks.digest = embeddings.digest)"""
