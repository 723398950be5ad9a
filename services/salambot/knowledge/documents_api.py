"""`/internal/documents`: what is indexed of a tenant, from where, when, and its removal."""

from typing import Annotated

import structlog
from fastapi import FastAPI, Query, Request
from pydantic import Field
from redis.asyncio import Redis
from redis.exceptions import RedisError

from salambot.core.database import ACQUIRE_TIMEOUT_SECONDS, Pool, tenant_transaction
from salambot.core.problems import Problem
from salambot.core.schemas import Message, TenantName, Text, utc_text
from salambot.knowledge.distributed import run_lock_sql
from salambot.knowledge.manifest import Manifest
from salambot.knowledge.version import publish_version

MAX_PAGE = 1000
_log = structlog.get_logger(__name__)
_DOCUMENTS = """
SELECT d.path, d.source, d.title, d.uri, d.updated_at, count(c.key) AS passages,
  count(c.key) FILTER (WHERE c.metadata->>'kind' = 'row') AS rows,
  coalesce(array_agg(DISTINCT c.language) FILTER (WHERE c.language IS NOT NULL), '{}') AS languages
FROM documents d LEFT JOIN chunks c ON c.tenant = d.tenant AND c.path = d.path
WHERE d.tenant = $1 AND d.path > $2 GROUP BY d.path, d.source, d.title, d.uri, d.updated_at
ORDER BY d.path LIMIT $3"""
_PASSAGES = """
SELECT number, heading, text, language FROM chunks
WHERE tenant = $1 AND path = $2 AND number >= $3 ORDER BY number LIMIT $4"""

Path = Annotated[Text, Field(min_length=1, max_length=1024)]


class Removal(Message):
    """Documents to take out of the index, by path."""

    tenant: TenantName
    paths: Annotated[list[Path], Field(min_length=1, max_length=MAX_PAGE)]


class IndexedDocuments:
    """The documents of every tenant's index; each call sees one tenant's."""

    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis

    async def page(self, tenant: str, after: str) -> list[dict[str, object]]:
        """Return documents by path, those after `after`, at most MAX_PAGE."""
        async with tenant_transaction(self._pool, tenant) as rows:
            found = await rows.fetch(_DOCUMENTS, tenant, after, MAX_PAGE)
        return [
            {**row, "updated_at": utc_text(row["updated_at"]), "languages": sorted(row["languages"])} for row in found
        ]

    async def passages(self, tenant: str, path: str, start: int) -> list[dict[str, object]]:
        """Return the passages of a document in order. Raises Problem 404 where there is no such document."""
        async with tenant_transaction(self._pool, tenant) as rows:
            known = await rows.fetchval("SELECT 1 FROM documents WHERE tenant = $1 AND path = $2", tenant, path)
            found = await rows.fetch(_PASSAGES, tenant, path, start, MAX_PAGE)
        if not known:
            raise Problem(404, "document_unknown", "The index holds no such document.")
        return [dict(row) for row in found]

    async def remove(self, removal: Removal) -> list[str]:
        """Remove documents, and return the paths of those that were there. Raises Problem 409 while a seed runs."""
        manifest = Manifest(self._pool, removal.tenant)
        lock = run_lock_sql(removal.tenant)
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            if not await connection.fetchval(f"SELECT pg_try_advisory_lock({lock})"):
                raise Problem(409, "seed_running", "A seed run of this tenant is under way.")
            try:
                known = sorted(await manifest.entries(removal.paths))
                if known:
                    await manifest.remove(known)
            finally:
                await connection.fetchval(f"SELECT pg_advisory_unlock({lock})")
        await self._forget(removal.tenant)
        return known

    async def _forget(self, tenant: str) -> None:
        """Let searches look again; without Redis each does so within seconds."""
        try:
            await publish_version(self._redis, tenant)
        except RedisError:
            _log.warning("the removal is seen later: redis does not answer", exc_info=True)


def add_documents(app: FastAPI, redis: Redis) -> None:
    """Add the endpoints; the pool is the application's."""

    def documents(request: Request) -> IndexedDocuments:
        return IndexedDocuments(request.app.state.pool, redis)

    @app.get("/internal/documents")
    async def page(
        request: Request, tenant: Annotated[TenantName, Query()], after: Annotated[str, Query(max_length=1024)] = ""
    ) -> dict[str, object]:
        found = await documents(request).page(tenant, after)
        return {"documents": found, "next": found[-1]["path"] if len(found) == MAX_PAGE else None}

    @app.get("/internal/documents/passages")
    async def passages(
        request: Request,
        tenant: Annotated[TenantName, Query()],
        path: Annotated[str, Query(min_length=1, max_length=1024)],
        start: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> dict[str, object]:
        found = await documents(request).passages(tenant, path, start)
        return {"passages": found, "next": start + MAX_PAGE if len(found) == MAX_PAGE else None}

    @app.post("/internal/documents/remove")
    async def remove(request: Request, removal: Removal) -> dict[str, object]:
        return {"removed": await documents(request).remove(removal)}
