"""Qdrant: one collection an embedder, partitioned by tenant in the payload, as its documentation advises."""

import asyncio
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr
from pydantic_settings import BaseSettings
from stamina import AsyncRetryingCaller

from salambot.core.database import Pool
from salambot.core.settings import ServiceSettings
from salambot.knowledge.embedders.base import Embedder, Vectors
from salambot.knowledge.vectors.base import Hit, Vector, VectorStoreError
from salambot_contracts.http_url import parse_qdrant_url

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient
    from qdrant_client.models import Filter

BATCH = 256
WRITE_TIMEOUT_SECONDS, SEARCH_TIMEOUT_SECONDS = 60, 4
_NAMES = uuid.UUID("6f1c0f3c-0c5e-4f43-9c3b-5b7b6f0f6d0a")
"""Qdrant's ids are numbers or UUIDs: ours are name-based (RFC 9562, version 5) on tenant and digest."""
_RETRIED = frozenset({429, 500, 502, 503, 504})


class QdrantSettings(BaseSettings):
    """The variables of the placement `vector = qdrant`. A `file:` URL is Qdrant's local mode: one process at a time."""

    model_config = ServiceSettings.model_config

    qdrant_url: str
    qdrant_api_key: SecretStr | None = None
    qdrant_collection: str = "salambot"


class QdrantVectors:
    """Connects when it is first used; writes wait until they can be found."""

    def __init__(self, settings: QdrantSettings, embedder: Embedder) -> None:
        self._settings = settings
        self._collection = f"{settings.qdrant_collection}-{re.sub(r'[^A-Za-z0-9]+', '-', embedder.name)}"
        self._dimensions = embedder.dimensions
        self.name = f"qdrant/{self._collection}"
        self._opened: AsyncQdrantClient | None = None
        self._retry = AsyncRetryingCaller(attempts=4, timeout=WRITE_TIMEOUT_SECONDS, wait_initial=0.1, wait_max=5)

    async def prepare(self) -> None:
        """Create the collection where it is missing, for many tenants: an HNSW graph each, none for all."""
        from qdrant_client import models

        client = self._client()
        with _translated():
            if not await client.collection_exists(self._collection):
                await client.create_collection(
                    self._collection,
                    vectors_config=models.VectorParams(size=self._dimensions, distance=models.Distance.COSINE),
                    hnsw_config=models.HnswConfigDiff(payload_m=16, m=0),
                )
                if not self._settings.qdrant_url.startswith("file:"):
                    schema = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
                    await client.create_payload_index(self._collection, "tenant", field_schema=schema)
            held = (await client.get_collection(self._collection)).config.params.vectors
        if not isinstance(held, models.VectorParams) or held.size != self._dimensions:
            raise VectorStoreError(f"qdrant: the collection {self._collection} holds vectors of another shape")

    async def upsert(self, tenant: str, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Write vectors, 256 a request."""
        from qdrant_client import models

        points = [
            models.PointStruct(
                id=_id(tenant, digest), vector=row.tolist(), payload={"tenant": tenant, "digest": digest.hex()}
            )
            for digest, row in zip(digests, vectors, strict=True)
        ]
        client = self._client()
        for start in range(0, len(points), BATCH):
            with _translated():
                await self._retry(
                    _is_passing, client.upsert, self._collection, points[start : start + BATCH], wait=True
                )

    async def build_index(self) -> None:
        """The service indexes by itself."""

    async def delete(self, tenant: str, digests: Sequence[bytes]) -> None:
        """Delete vectors by their ids, which hold the tenant."""
        from qdrant_client import models

        ids = models.PointIdsList(points=[_id(tenant, digest) for digest in digests])
        with _translated():
            await self._retry(_is_passing, self._client().delete, self._collection, ids, wait=True)

    async def search(self, tenant: str, vector: Vector, limit: int) -> list[Hit]:
        """Search among the tenant's points."""
        with _translated():
            async with asyncio.timeout(SEARCH_TIMEOUT_SECONDS):
                found = await self._client().query_points(
                    self._collection,
                    query=vector.tolist(),
                    query_filter=_of(tenant),
                    limit=limit,
                    with_payload=["digest"],
                )
        return [Hit(bytes.fromhex(point.payload["digest"]), point.score) for point in found.points if point.payload]

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()

    def _client(self) -> "AsyncQdrantClient":
        if self._opened is None:
            from qdrant_client import AsyncQdrantClient

            url, key = self._settings.qdrant_url, self._settings.qdrant_api_key
            if url.startswith("file:"):
                self._opened = AsyncQdrantClient(path=url.removeprefix("file://"))
            else:
                secret = key.get_secret_value() if key else None
                address = parse_qdrant_url(url).text()
                self._opened = AsyncQdrantClient(address, api_key=secret, timeout=20, check_compatibility=False)
        return self._opened


def _id(tenant: str, digest: bytes) -> str:
    return str(uuid.uuid5(_NAMES, f"{tenant}/{digest.hex()}"))


def _of(tenant: str) -> "Filter":
    from qdrant_client import models

    return models.Filter(must=[models.FieldCondition(key="tenant", match=models.MatchValue(value=tenant))])


def _is_passing(error: Exception) -> bool:
    """Return whether a failure may pass by itself."""
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(error, UnexpectedResponse):
        return error.status_code in _RETRIED
    return isinstance(error, ResponseHandlingException)


@contextmanager
def _translated() -> Iterator[None]:
    from qdrant_client.http.exceptions import ApiException

    try:
        yield
    except TimeoutError as error:
        raise VectorStoreError("qdrant did not answer in time") from error
    except (ApiException, RuntimeError) as error:  # RuntimeError: another process has the local folder
        status = getattr(error, "status_code", None)
        raise VectorStoreError(f"qdrant: {type(error).__name__}{f' {status}' if status else ''}") from error


def open_store(_: Pool, embedder: Embedder) -> QdrantVectors:
    """Return the store, with the settings of the environment."""
    return QdrantVectors(QdrantSettings(), embedder)
