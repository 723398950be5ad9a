"""orchestrateur between a real rag over the sample knowledge base, a real nlu, Postgres and Valkey."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from salambot.core.database import connect, tenant_transaction
from salambot.core.redis_client import connect as connect_redis
from salambot.core.schemas import Reply, ReplyRequest, StreamEvent, Turn
from salambot.rpc.service_client import ServiceClient
from tests.knowledge import KnowledgeBase
from tests.servers import PostgresServer, ValkeyServer, database_from
from tests.serving import serving

SAMPLE = Path(__file__).parents[3] / "templates" / "kb"
TOKEN = SecretStr("between-services")


@dataclass
class Orchestra:
    """A running orchestrateur as the gateway sees it, and a look into its tables."""

    hop: ServiceClient
    database_url: str

    async def reply(self, prompt: str, **members: object) -> Reply:
        """Ask for a whole reply."""
        return await self.hop.post("/internal/reply", request(prompt, **members), Reply, 10)

    async def events(self, prompt: str, **members: object) -> list[StreamEvent]:
        """Ask for a stream, and take it to its end."""
        return [event async for event in self.hop.stream("/internal/reply", request(prompt, **members), 10)]

    async def rows(self, query: str) -> list[asyncpg.Record]:
        """Read the tables of the tenant `demo`."""
        async with await connect(self.database_url) as pool, tenant_transaction(pool, "demo") as connection:
            return await connection.fetch(query)


def request(prompt: str, **members: object) -> ReplyRequest:
    """Build a request; `members` replace what is usual."""
    usual = {"tenant": "demo", "channel": "webchat", "message_id": "m1", "correlation_id": "c1", "prompt": prompt}
    return ReplyRequest.model_validate(usual | members)


def turn(role: str, content: str) -> Turn:
    """Build a turn of a context."""
    return Turn.model_validate({"role": role, "content": content})


@asynccontextmanager
async def running(database_url: str, redis_url: str, **nlu_settings: object) -> AsyncIterator[Orchestra]:
    """Run the three services for one test."""
    from salambot.nlu.app import create_app as create_nlu
    from salambot.nlu.settings import NluSettings
    from salambot.orchestrateur.app import create_app as create_orchestrateur
    from salambot.orchestrateur.settings import OrchestrateurSettings
    from salambot.rag.app import create_app as create_rag
    from salambot.rag.settings import RagSettings

    stores = {"internal_token": TOKEN, "postgres_url": SecretStr(database_url), "redis_url": SecretStr(redis_url)}
    async with (
        serving(create_rag(RagSettings(**stores))) as rag_url,
        serving(create_nlu(NluSettings(internal_token=TOKEN, **nlu_settings))) as nlu_url,
        serving(create_orchestrateur(OrchestrateurSettings(**stores, rag_url=rag_url, nlu_url=nlu_url))) as url,
        ServiceClient("orchestrateur", url, TOKEN) as hop,
    ):
        yield Orchestra(hop, database_url)


@pytest.fixture
async def redis_url(valkey_server: ValkeyServer) -> str:
    """Return the URL of an emptied Valkey."""
    redis = connect_redis(valkey_server.url(5))
    await redis.flushdb()
    await redis.aclose()
    return valkey_server.url(5)


@pytest.fixture(scope="session")
def _sample(postgres_server: PostgresServer, _migrated: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the name of a template database that holds the sample knowledge base: copying it beats seeding again."""
    postgres_server.run(f"CREATE DATABASE sample TEMPLATE {_migrated}")
    base = KnowledgeBase(tmp_path_factory.mktemp("objects"), postgres_server.url("sample"))
    base.write({file.name: file.read_bytes() for file in SAMPLE.glob("*.md")})
    asyncio.run(base.seed())
    return "sample"


@pytest.fixture
def seeded(postgres_server: PostgresServer, _sample: str) -> Iterator[str]:
    """Return the URL of a database that holds the sample knowledge base, for this test alone."""
    yield from database_from(postgres_server, _sample)


@pytest.fixture
async def orchestra(seeded: str, redis_url: str) -> AsyncIterator[Orchestra]:
    """Run the services over the sample knowledge base."""
    async with running(seeded, redis_url) as orchestra:
        yield orchestra
