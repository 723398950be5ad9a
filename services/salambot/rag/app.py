"""rag: finds the passages that answer a question, in the index of one tenant."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Request

from salambot.core import database, redis_client
from salambot.core.schemas import IndexState, RetrievalRequest, TenantName
from salambot.http.application import Check, add_exchange, service_app
from salambot.knowledge.embedders import open_embedder
from salambot.knowledge.vectors import open_store
from salambot.rag.cached_search import CachedRetriever
from salambot.rag.calibration import load_calibration
from salambot.rag.retrieval import Retriever
from salambot.rag.settings import RagSettings
from salambot.rpc.json_endpoint import JsonEndpoint


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
        add_exchange(app, "/internal/search", JsonEndpoint(RetrievalRequest, partial(_search, searcher)))
        add_exchange(app, "/internal/search/explain", JsonEndpoint(RetrievalRequest, partial(_explain, lookup)))
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


async def _search(searcher: CachedRetriever, request: RetrievalRequest) -> bytes:
    """Return RetrievedPassages."""
    started = time.perf_counter()
    found = await searcher.search(request)
    return b'{"results":%b,"took_ms":%.2f}' % (found, (time.perf_counter() - started) * 1000)


async def _explain(retriever: Retriever, request: RetrievalRequest) -> bytes:
    """Return a SearchExplanation; nothing of it is kept."""
    return (await retriever.explain(request)).model_dump_json().encode()


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
