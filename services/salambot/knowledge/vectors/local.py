"""pgvector in the same Postgres: half precision, HNSW by inner product, isolated by row-level security."""

import re
from collections.abc import Sequence
from contextlib import suppress

import asyncpg

from salambot.core.database import ACQUIRE_TIMEOUT_SECONDS, Pool, tenant_transaction, translate_errors
from salambot.knowledge.embedders.base import Embedder, Vectors
from salambot.knowledge.vectors.base import Hit, Vector

_WRITE_TIMEOUT_SECONDS = 120.0
"""Writing into a large HNSW graph on a busy machine takes longer than any question may."""
_INDEX_TIMEOUT_SECONDS = 900.0
"""Building it over rows that are there already."""
_BUILDING = "SET LOCAL maintenance_work_mem = '256MB'; SET LOCAL max_parallel_maintenance_workers = 0"
"""A graph that does not fit takes many times as long; and parallel workers would need all of it in /dev/shm."""
_SEARCH = "SELECT digest, similarity FROM nearest_vectors($1, $2, $3, $4, $5)"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._:@/-]{1,80}")


class LocalVectors:
    """The table `vectors`. Each embedder has a partial index of its own, for its number of dimensions."""

    def __init__(self, pool: Pool, embedder: Embedder) -> None:
        if not _PLAIN_NAME.fullmatch(embedder.name):
            raise ValueError("an embedder's name stands in SQL: letters, digits and . _ : @ / - only")
        self.name = f"local/{embedder.name}"
        self._pool = pool
        self._embedder = embedder.name
        self._type = f"halfvec({embedder.dimensions})"
        self._dimensions = embedder.dimensions

    async def prepare(self) -> None:
        """The table is there; its index comes when the first run has filled it."""

    async def build_index(self) -> None:
        """Create the HNSW index of this embedder where it is missing: a fifth of the time of growing it row by row."""
        index = re.sub(r"\W", "_", f"vectors_{self._embedder}")[:63].lower()
        # IF NOT EXISTS does not hold between two that create it at the same moment: the other one did.
        with translate_errors(), suppress(asyncpg.UniqueViolationError, asyncpg.DuplicateTableError):
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection, connection.transaction():
                if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", index):
                    return  # CREATE INDEX would wait for whoever writes, only to find it
                await connection.execute(_BUILDING)
                await connection.execute(
                    f"CREATE INDEX {index} ON vectors USING hnsw ((embedding::{self._type}) halfvec_ip_ops) "
                    f"WHERE embedder = '{self._embedder}'",
                    timeout=_INDEX_TIMEOUT_SECONDS,
                )

    async def upsert(self, tenant: str, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Write vectors in one transaction."""
        rows = [(tenant, self._embedder, digest, row.tolist()) for digest, row in zip(digests, vectors, strict=True)]
        async with tenant_transaction(self._pool, tenant) as rows_of_tenant:
            await rows_of_tenant.executemany(
                """
                INSERT INTO vectors (tenant, embedder, digest, embedding) VALUES ($1, $2, $3, $4::real[]::halfvec)
                ON CONFLICT (tenant, embedder, digest) DO UPDATE SET embedding = excluded.embedding""",
                rows,
                timeout=_WRITE_TIMEOUT_SECONDS,
            )

    async def delete(self, tenant: str, digests: Sequence[bytes]) -> None:
        """Delete vectors in one transaction."""
        async with tenant_transaction(self._pool, tenant) as rows_of_tenant:
            await rows_of_tenant.execute(
                "DELETE FROM vectors WHERE tenant = $1 AND embedder = $2 AND digest = ANY($3)",
                tenant,
                self._embedder,
                list(digests),
            )

    async def search(self, tenant: str, vector: Vector, limit: int) -> list[Hit]:
        """Search; the scan goes on until `limit` rows of this tenant are found, however many others there are."""
        with translate_errors():
            found = await self._pool.fetch(_SEARCH, tenant, self._embedder, self._dimensions, vector.tolist(), limit)
        return [Hit(row["digest"], float(row["similarity"])) for row in found]

    async def close(self) -> None:
        """The pool belongs to whoever opened it."""


def open_store(pool: Pool, embedder: Embedder) -> LocalVectors:
    """Return the store; it has no settings."""
    return LocalVectors(pool, embedder)
