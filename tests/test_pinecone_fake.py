"""The stand-in for Pinecone, spoken to by Pinecone's own client."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer
from pinecone import AsyncPinecone
from pinecone.errors import ApiError, NotFoundError, UnauthorizedError

from tests.fakes.pinecone_server import BAD_KEY, PineconeServer


@pytest.fixture
async def fake() -> AsyncIterator[tuple[PineconeServer, str]]:
    server = PineconeServer(dimension=3)
    async with TestServer(server.app(), host="127.0.0.1") as http:
        yield server, f"http://127.0.0.1:{http.port}"


async def test_the_client_writes_finds_and_deletes(fake: tuple[PineconeServer, str]) -> None:
    _, url = fake
    async with AsyncPinecone(api_key="pcsk_test", host=url) as client:
        model = await client.indexes.describe("salambot-kb")
        assert (model.dimension, model.status.ready) == (3, True)
        async with await client.index(host=model.host) as index:
            vectors = [
                {"id": f"doc-{number}", "values": [1.0, float(number), 0.0], "metadata": {"language": language}}
                for number, language in enumerate(["fr", "ar", "fr"])
            ]
            assert (await index.upsert(vectors=vectors, namespace="demo")).upserted_count == 3
            found = await index.query(vector=[1, 0, 0], top_k=2, namespace="demo", include_metadata=True)
            assert [match.id for match in found.matches] == ["doc-0", "doc-1"]
            french = await index.query(vector=[1, 2, 0], top_k=5, namespace="demo", filter={"language": {"$eq": "fr"}})
            assert [match.id for match in french.matches] == ["doc-2", "doc-0"]
            assert (await index.query(vector=[1, 0, 0], top_k=3, namespace="other")).matches == []
            await index.delete(ids=["doc-1"], namespace="demo")
            assert (await index.describe_index_stats()).namespaces["demo"].vector_count == 2


async def test_it_refuses_what_the_service_refuses(fake: tuple[PineconeServer, str]) -> None:
    _, url = fake
    async with AsyncPinecone(api_key="pcsk_test", host=url) as client:
        with pytest.raises(NotFoundError):
            await client.indexes.describe("absent")
        async with await client.index(host=url) as index:
            with pytest.raises(ApiError, match="dimension"):
                await index.upsert(vectors=[{"id": "x", "values": [1.0]}], namespace="demo")
    async with AsyncPinecone(api_key=BAD_KEY, host=url) as client:
        with pytest.raises(UnauthorizedError):
            await client.indexes.describe("salambot-kb")
