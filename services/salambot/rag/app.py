"""rag: finds the passages that answer a question, in the index of one tenant."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Query, Request
from pydantic import ValidationError

from salambot.core import database, problems, redis_client
from salambot.core.database import DatabaseUnavailableError
from salambot.core.schemas import IndexState, RetrievalRequest, TenantName
from salambot.http.application import Check, add_exchange, service_app
from salambot.knowledge.embedders import open_embedder
from salambot.knowledge.vectors import open_store
from salambot.rag.cached_search import CachedRetriever
from salambot.rag.calibration import load_calibration
from salambot.rag.retrieval import Retriever
from salambot.rag.settings import RagSettings


def create_app(settings: RagSettings | None = None) -> FastAPI:
    """Build the service; without `settings` it reads its environment."""
    chosen = settings or RagSettings()
    redis = redis_client.connect(chosen.redis_url.get_secret_value())
    embedder = open_embedder(chosen.embedder)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = app.state.pool = await database.connect(chosen.postgres_url.get_secret_value())
        store = open_store(chosen.vector, pool, embedder)
        lookup = Retriever(pool, store, embedder, load_calibration(chosen.embedder), chosen.search_floor)
        searcher = CachedRetriever(lookup, pool, redis, cache_s=chosen.search_cache_s)
        add_exchange(app, "/internal/search", _Search(searcher))
        app.state.vector = chosen.vector
        yield
        await store.close()
        await embedder.close()
        await redis.aclose()
        await pool.close()

    async def postgres() -> None:
        if not await database.is_reachable(app.state.pool):
            raise database.database_problem()

    async def ping() -> None:
        await redis.ping()

    checks = (Check("postgres", postgres), Check("redis", ping, matters=False))
    app = service_app("rag", chosen, lifespan=lifespan, checks=checks)
    database.install(app)
    app.get("/internal/index")(_index)
    return app


class _Search:
    """`/internal/search`: a RetrievalRequest in, RetrievedPassages out, in one line."""

    def __init__(self, searcher: CachedRetriever) -> None:
        self._searcher = searcher

    async def call(self, body: bytes, /) -> bytes:
        """Return the passages; raises Problem."""
        started = time.perf_counter()
        try:
            found = await self._searcher.search(RetrievalRequest.model_validate_json(body))
        except ValidationError as error:
            raise problems.invalid(error) from error
        except DatabaseUnavailableError as error:
            raise database.database_problem() from error
        return b'{"results":%b,"took_ms":%.2f}' % (found, (time.perf_counter() - started) * 1000)

    async def stream(self, body: bytes, /) -> AsyncGenerator[bytes, None]:
        """Yield the one line."""
        yield b"%b\n" % await self.call(body)


async def _index(request: Request, tenant: Annotated[TenantName, Query()]) -> IndexState:
    """Report what a tenant's index holds."""
    async with database.tenant_transaction(request.app.state.pool, tenant) as rows:
        row = await rows.fetchrow("SELECT vector, documents, chunks FROM index_state WHERE tenant = $1", tenant)
    configured: str = request.app.state.vector
    if row is None:
        return IndexState(tenant=tenant, vector=configured, documents=0, chunks=0)
    return IndexState(
        tenant=tenant, vector=row["vector"] or configured, documents=row["documents"], chunks=row["chunks"]
    )
