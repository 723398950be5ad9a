"""rag over an index made by the real job."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from salambot.core import redis_client
from salambot.core.schemas import RetrievedPassages
from salambot.rag.app import create_app
from salambot.rag.settings import RagSettings
from tests.knowledge import KnowledgeBase
from tests.servers import ValkeyServer
from tests.serving import serving

SAMPLE = Path(__file__).parents[3] / "templates" / "kb"
TOKEN = "between-services"


class Rag:
    """A running rag, as another service sees it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    async def search(self, query: str, tenant: str = "demo", **members: object) -> RetrievedPassages:
        """Search; the answer must be a 200."""
        body = {"query": query, "tenant": tenant, **members}
        async with self.session.post(f"{self.url}/internal/search", json=body) as response:
            assert response.status == 200, await response.text()
            return RetrievedPassages.model_validate_json(await response.read())

    async def titles(self, query: str, **members: object) -> list[str]:
        """Return the titles of what is found, best first."""
        return [passage.title for passage in (await self.search(query, **members)).results]


@asynccontextmanager
async def running_rag(database_url: str, redis_url: str, **settings: object) -> AsyncIterator[Rag]:
    """Run rag for one test."""
    chosen = RagSettings(
        internal_token=SecretStr(TOKEN),
        postgres_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        **settings,
    )
    async with (
        serving(create_app(chosen)) as url,
        aiohttp.ClientSession(headers={"X-SalamBot-Internal": TOKEN}) as session,
    ):
        yield Rag(url, session)


@pytest.fixture
async def redis_url(valkey_server: ValkeyServer) -> str:
    """Return the URL of an emptied Valkey."""
    url = valkey_server.url(7)
    redis = redis_client.connect(url)
    await redis.flushdb()
    await redis.aclose()
    return url


@pytest.fixture
async def rag(database_url: str, redis_url: str) -> AsyncIterator[Rag]:
    """A rag over this test's own database."""
    async with running_rag(database_url, redis_url, search_cache_s=0) as service:
        yield service


@pytest.fixture
def base(tmp_path: Path, database_url: str, redis_url: str) -> KnowledgeBase:
    """An empty knowledge base whose job tells this worker's Valkey."""
    return KnowledgeBase(tmp_path / "objects", database_url, REDIS_URL=redis_url)
