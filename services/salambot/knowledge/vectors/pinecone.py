"""Pinecone: one index, a namespace a tenant, the content digest as id."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from salambot.core.database import Pool
from salambot.core.settings import ServiceSettings
from salambot.knowledge.embedders.base import Embedder, Vectors
from salambot.knowledge.vectors.base import Hit, Vector, VectorStoreError

if TYPE_CHECKING:
    from pinecone.async_client.async_index import AsyncIndex

_Item = TypeVar("_Item")
MAX_VECTORS, MAX_BYTES, MAX_DELETED = 1000, 1_800_000, 1000
"""The service's limits of one request (2 MB with a margin); its client does not enforce them."""
_DECIMALS = 6
_BYTES_A_NUMBER = 11
WRITE_TIMEOUT_SECONDS, SEARCH_TIMEOUT_SECONDS = 60, 4
"""The client itself retries 429 and 5xx four times for up to 30 s each: these end it earlier."""


class PineconeSettings(BaseSettings):
    """The variables of the placement `vector = pinecone`."""

    model_config = ServiceSettings.model_config

    pinecone_api_key: SecretStr
    pinecone_index: str
    pinecone_controller_host: str | None = None


class PineconeVectors:
    """Connects when it is first used. Writes become visible within seconds: what is not yet there is not found."""

    def __init__(self, settings: PineconeSettings, embedder: Embedder) -> None:
        self.name = f"pinecone/{settings.pinecone_index}/{embedder.name}"
        self._settings = settings
        self._embedder = embedder
        self._opened: AsyncIndex | None = None
        self._opening = asyncio.Lock()

    async def prepare(self) -> None:
        """Compare the index's dimension. Indexes are made by their owner: that choice costs money."""
        async with self._index(WRITE_TIMEOUT_SECONDS) as index:
            dimension = (await index.describe_index_stats()).dimension
        if dimension not in {None, self._embedder.dimensions}:
            raise VectorStoreError(
                f"pinecone: the index {self._settings.pinecone_index} holds {dimension} dimensions, "
                f"the embedder {self._embedder.name} makes {self._embedder.dimensions}"
            )

    async def upsert(self, tenant: str, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Write vectors, as many requests as the limits ask for."""
        metadata = {"embedder": self._embedder.name}
        items = [
            {"id": digest.hex(), "values": [round(number, _DECIMALS) for number in row.tolist()], "metadata": metadata}
            for digest, row in zip(digests, vectors, strict=True)
        ]
        size = min(MAX_VECTORS, MAX_BYTES // (self._embedder.dimensions * _BYTES_A_NUMBER + 200))
        for batch in _slices(items, size):
            async with self._index(WRITE_TIMEOUT_SECONDS) as index:
                await index.upsert(vectors=batch, namespace=tenant)

    async def build_index(self) -> None:
        """The service indexes by itself."""

    async def delete(self, tenant: str, digests: Sequence[bytes]) -> None:
        """Delete vectors; a namespace that is not there holds none."""
        from pinecone.errors import NotFoundError

        for batch in _slices([digest.hex() for digest in digests], MAX_DELETED):
            async with self._index(WRITE_TIMEOUT_SECONDS) as index:
                try:
                    await index.delete(ids=batch, namespace=tenant)
                except NotFoundError:
                    return

    async def search(self, tenant: str, vector: Vector, limit: int) -> list[Hit]:
        """Search the tenant's namespace, this embedder's vectors only."""
        async with self._index(SEARCH_TIMEOUT_SECONDS) as index:
            found = await index.query(
                vector=vector.tolist(),
                top_k=limit,
                namespace=tenant,
                filter={"embedder": {"$eq": self._embedder.name}},
            )
        return [Hit(bytes.fromhex(match.id), float(match.score)) for match in found.matches]

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()

    @asynccontextmanager
    async def _index(self, seconds: float) -> "AsyncIterator[AsyncIndex]":
        """Yield the index; whatever fails is a VectorStoreError without the service's text, which may quote ours."""
        from pinecone.errors import PineconeError

        try:
            async with asyncio.timeout(seconds):
                yield await self._open()
        except TimeoutError as error:
            raise VectorStoreError(f"pinecone did not answer within {seconds} s") from error
        except PineconeError as error:
            status = getattr(error, "status_code", None)
            raise VectorStoreError(f"pinecone: {type(error).__name__}{f' {status}' if status else ''}") from error

    async def _open(self) -> "AsyncIndex":
        async with self._opening:
            if self._opened is None:
                from pinecone import AsyncPinecone

                key = self._settings.pinecone_api_key.get_secret_value()
                async with AsyncPinecone(key, host=self._settings.pinecone_controller_host) as client:
                    self._opened = await client.index(self._settings.pinecone_index)
            return self._opened


def _slices(items: Sequence[_Item], size: int) -> Iterator[list[_Item]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def open_store(_: Pool, embedder: Embedder) -> PineconeVectors:
    """Return the store, with the settings of the environment."""
    return PineconeVectors(PineconeSettings(), embedder)
