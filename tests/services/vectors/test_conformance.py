"""One suite for every vector store: what the seed job and rag rely on."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from salambot.core import database
from salambot.knowledge.embedders.base import Vectors
from salambot.knowledge.embedders.local import LocalEmbedder
from salambot.knowledge.vectors import VECTORS
from salambot.knowledge.vectors.base import VectorStore, VectorStoreError
from salambot.knowledge.vectors.local import LocalVectors
from salambot.knowledge.vectors.pinecone import PineconeSettings, PineconeVectors
from salambot.knowledge.vectors.qdrant import QdrantSettings, QdrantVectors
from tests.fakes.pinecone_server import PineconeServer

EMBEDDER = LocalEmbedder()


class OtherEmbedder(LocalEmbedder):
    """Its vectors are another model's."""

    name = "other-1"
    dimensions = 8


def digests(*names: str) -> list[bytes]:
    return [hashlib.sha256(name.encode()).digest() for name in names]


def random_vectors(count: int, seed: int = 1) -> Vectors:
    numbers = np.random.default_rng(seed).normal(size=(count, EMBEDDER.dimensions)).astype(np.float32)
    return numbers / np.linalg.norm(numbers, axis=1, keepdims=True)


@pytest.fixture
async def pinecone_server() -> AsyncIterator[tuple[PineconeServer, str]]:
    server = PineconeServer()
    async with TestServer(server.app()) as running:
        yield server, str(running.make_url(""))


def pinecone_settings(url: str, key: str = "pcsk_good") -> PineconeSettings:
    return PineconeSettings(
        pinecone_api_key=SecretStr(key), pinecone_index="salambot-kb", pinecone_controller_host=url.rstrip("/")
    )


@pytest.fixture(params=VECTORS)
async def store(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[VectorStore]:
    """Each store, prepared."""
    opened: VectorStore
    if request.param == "local":
        pool = await database.connect(database_url)
        opened = LocalVectors(pool, EMBEDDER)
    elif request.param == "qdrant":
        opened = QdrantVectors(QdrantSettings(qdrant_url=f"file://{tmp_path / 'qdrant'}"), EMBEDDER)
    else:
        server = PineconeServer()
        running = TestServer(server.app())
        await running.start_server()
        opened = PineconeVectors(pinecone_settings(str(running.make_url(""))), EMBEDDER)
    await opened.prepare()
    await opened.build_index()
    yield opened
    await opened.close()
    if request.param == "local":
        await pool.close()
    elif request.param == "pinecone":
        await running.close()


async def test_the_nearest_come_first(store: VectorStore) -> None:
    vectors = random_vectors(30)
    names = digests(*map(str, range(30)))
    await store.upsert("demo", names, vectors)
    hits = await store.search("demo", vectors[7], 5)
    assert len(hits) == 5
    assert hits[0].digest == names[7]
    assert hits[0].similarity == pytest.approx(1, abs=0.01)
    expected = vectors @ vectors[7]
    for hit in hits:
        assert hit.similarity == pytest.approx(expected[names.index(hit.digest)], abs=0.01)
    assert [hit.similarity for hit in hits] == sorted((hit.similarity for hit in hits), reverse=True)


async def test_no_tenant_sees_or_deletes_another(store: VectorStore) -> None:
    vectors = random_vectors(2)
    (name,) = digests("same")
    await store.upsert("one", [name], vectors[:1])
    await store.upsert("two", [name], vectors[1:])
    (hit,) = await store.search("one", vectors[0], 10)
    assert hit.similarity == pytest.approx(1, abs=0.01)
    assert await store.search("nobody", vectors[0], 10) == []
    await store.delete("two", [name])
    assert len(await store.search("one", vectors[0], 10)) == 1
    assert await store.search("two", vectors[0], 10) == []


async def test_writing_again_replaces_and_deleting_again_is_no_error(store: VectorStore) -> None:
    vectors = random_vectors(2)
    names = digests("a")
    await store.upsert("demo", names, vectors[:1])
    await store.upsert("demo", names, vectors[1:])
    (hit,) = await store.search("demo", vectors[1], 10)
    assert hit.similarity == pytest.approx(1, abs=0.01)
    await store.delete("demo", names)
    await store.delete("demo", names)
    await store.delete("nobody", names)
    await store.prepare()
    await store.build_index()


async def test_more_than_one_request_holds(store: VectorStore) -> None:
    count = 600
    names, vectors = digests(*map(str, range(count))), random_vectors(count)
    await store.upsert("demo", names, vectors)
    for number in (0, count // 2, count - 1):
        assert (await store.search("demo", vectors[number], 1))[0].digest == names[number]
    await store.delete("demo", names)
    assert await store.search("demo", vectors[0], 5) == []


async def test_pinecone_with_another_dimension_is_refused(pinecone_server: tuple[PineconeServer, str]) -> None:
    store = PineconeVectors(pinecone_settings(pinecone_server[1]), OtherEmbedder())
    with pytest.raises(VectorStoreError, match=r"1024 dimensions.*makes 8"):
        await store.prepare()
    await store.close()


async def test_pinecone_is_asked_again_after_429_and_500(pinecone_server: tuple[PineconeServer, str]) -> None:
    server, url = pinecone_server
    store = PineconeVectors(pinecone_settings(url), EMBEDDER)
    await store.prepare()
    server.script("rate_limit", "error_500")
    await store.upsert("demo", digests("a"), random_vectors(1))
    assert len(await store.search("demo", random_vectors(1)[0], 5)) == 1
    await store.close()


async def test_pinecone_that_refuses_is_named(pinecone_server: tuple[PineconeServer, str]) -> None:
    store = PineconeVectors(pinecone_settings(pinecone_server[1], "pcsk_bad"), EMBEDDER)
    with pytest.raises(VectorStoreError, match="pinecone: UnauthorizedError 401"):
        await store.prepare()
    await store.close()


async def test_pinecone_that_is_behind_finds_what_it_sees(pinecone_server: tuple[PineconeServer, str]) -> None:
    server, url = pinecone_server
    store = PineconeVectors(pinecone_settings(url), EMBEDDER)
    vectors, names = random_vectors(2), digests("old", "new")
    await store.upsert("demo", names[:1], vectors[:1])
    assert [hit.digest for hit in await store.search("demo", vectors[0], 5)] == names[:1]
    server.behind = 2
    await store.upsert("demo", names[1:], vectors[1:])
    seen = [[hit.digest for hit in await store.search("demo", vectors[1], 5)] for _ in range(3)]
    assert seen == [names[:1], names[:1], names[::-1]]
    await store.delete("demo", names)
    await store.close()


async def test_qdrant_with_another_dimension_is_refused(tmp_path: Path) -> None:
    settings = QdrantSettings(qdrant_url=f"file://{tmp_path / 'qdrant'}")
    store = QdrantVectors(settings, EMBEDDER)
    await store.prepare()
    await store.close()

    class Smaller(LocalEmbedder):
        dimensions = 8

    other = QdrantVectors(settings, Smaller())
    with pytest.raises(VectorStoreError, match="another shape"):
        await other.prepare()
    await other.close()


async def test_qdrant_is_asked_again_and_then_named() -> None:
    statuses = [503, 429, 503, 500]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"status": {"error": "no"}}, status=statuses.pop(0) if statuses else 401)

    app = web.Application()
    app.router.add_put("/collections/{name}/points", answer)
    async with TestServer(app) as server:
        store = QdrantVectors(QdrantSettings(qdrant_url=str(server.make_url("")).rstrip("/")), EMBEDDER)
        with pytest.raises(VectorStoreError, match="qdrant: UnexpectedResponse 500"):
            await store.upsert("demo", digests("a"), random_vectors(1))
        assert statuses == []
        with pytest.raises(VectorStoreError, match="qdrant: UnexpectedResponse 401"):
            await store.upsert("demo", digests("a"), random_vectors(1))
        await store.close()
