"""OpenAI's embeddings, and those of any server with its protocol: batched by tokens, a few requests at a time."""

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import openai
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from salambot.core.settings import ServiceSettings
from salambot.knowledge.embedders.base import COST, TOKENS, EmbeddingError, Vectors
from salambot_contracts.http_url import parse_openai_url

MAX_TEXTS, MAX_TOKENS = 512, 100_000
"""Of one request; the service takes 2,048 texts and 300,000 tokens, and answers smaller requests sooner."""
MAX_CONCURRENCY = 4
TIMEOUT_SECONDS, ATTEMPTS = 30.0, 5
_CHARACTERS_A_TOKEN = 2
"""Arabic has about two, French and English four: the estimate is high, and a request never too large."""


_PRICES = {"text-embedding-3-small": 0.02, "text-embedding-3-large": 0.13, "text-embedding-ada-002": 0.10}
"""US dollars a million tokens, by https://platform.openai.com/docs/pricing in November 2026."""


class OpenAiEmbeddingSettings(BaseSettings):
    """The variables of the embedder `openai`."""

    model_config = ServiceSettings.model_config

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    openai_embedding_api_key: SecretStr | None = None
    openai_embedding_base_url: str | None = None
    """Embeddings may come from another server than replies do; without these, from the same."""
    openai_embedding_model: str = "text-embedding-3-small"
    openai_embedding_dimensions: int = Field(default=1024, ge=1, le=4000)
    """1,024 like the local embedder, so that one Pinecone index serves both. pgvector indexes up to 4,000."""
    openai_embedding_price: float | None = Field(default=None, ge=0)
    """US dollars a million tokens, for a model whose price is not known here. 0: it costs nothing, never ask."""

    @property
    def base_url(self) -> str | None:
        """Return the URL of the server that embeds, None for OpenAI's own."""
        return self.openai_embedding_base_url or self.openai_base_url

    @property
    def key(self) -> SecretStr:
        """Return the key for that server: the key of replies is never sent to another server. Raises ValueError."""
        if self.openai_embedding_api_key is not None:
            return self.openai_embedding_api_key
        if self.openai_embedding_base_url is not None and self.openai_embedding_base_url != self.openai_base_url:
            raise ValueError("OPENAI_EMBEDDING_BASE_URL needs OPENAI_EMBEDDING_API_KEY")
        if self.openai_api_key is None:
            raise ValueError("EMBEDDER=openai needs OPENAI_EMBEDDING_API_KEY or OPENAI_API_KEY")
        return self.openai_api_key


class OpenAiEmbedder:
    """Each failure that may pass is tried again by the client, which heeds Retry-After."""

    def __init__(self, settings: OpenAiEmbeddingSettings) -> None:
        key, base_url = settings.key, settings.base_url
        self.dimensions = settings.openai_embedding_dimensions
        self.name = f"openai/{settings.openai_embedding_model}@{self.dimensions}"
        known = _PRICES.get(settings.openai_embedding_model) if base_url is None else None
        self.price = known if settings.openai_embedding_price is None else settings.openai_embedding_price
        self._model = settings.openai_embedding_model
        self._slots = asyncio.Semaphore(MAX_CONCURRENCY)
        self._client = openai.AsyncOpenAI(
            api_key=key.get_secret_value(),
            base_url=parse_openai_url(base_url).text() if base_url else None,
            timeout=TIMEOUT_SECONDS,
            max_retries=ATTEMPTS - 1,
            http_client=openai.DefaultAioHttpClient(),
        )

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed in as many requests as the limits ask for; all succeed, or it raises EmbeddingError."""
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        parts = await asyncio.gather(*map(self._request, _batches(texts)))
        vectors = np.concatenate(parts)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        return unit

    async def embed_question(self, text: str) -> Vectors:
        """Embed as any text: these models make no difference."""
        vector: Vectors = (await self.embed([text]))[0]
        return vector

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _request(self, texts: Sequence[str]) -> Vectors:
        host = self._client.base_url.host
        async with self._slots:
            try:
                answer = await self._client.embeddings.create(
                    model=self._model, input=list(texts), dimensions=self.dimensions
                )
            except openai.APIStatusError as error:
                raise EmbeddingError(
                    f"{host} refused to embed: {error.status_code} {error.code or ''}".rstrip()
                ) from error
            except openai.OpenAIError as error:
                raise EmbeddingError(f"{host} did not embed: {type(error).__name__}") from error
        self._count(answer.usage.total_tokens if answer.usage else 0)
        vectors = np.array([item.embedding for item in answer.data], dtype=np.float32)
        if vectors.shape != (len(texts), self.dimensions):
            raise EmbeddingError(
                f"{host}: {self._model} makes {vectors.shape[-1]} dimensions, not {self.dimensions}: "
                "set OPENAI_EMBEDDING_DIMENSIONS"
            )
        return vectors

    def _count(self, tokens: int) -> None:
        TOKENS.labels(self._model).inc(tokens)
        COST.labels(self._model).inc(tokens * (self.price or 0.0) / 1e6)


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    tokens = 0
    for text in texts:
        size = len(text) // _CHARACTERS_A_TOKEN + 1
        if batch and (len(batch) >= MAX_TEXTS or tokens + size > MAX_TOKENS):
            yield batch
            batch, tokens = [], 0
        batch.append(text)
        tokens += size
    yield batch


def open_embedder() -> OpenAiEmbedder:
    """Return the embedder, with the settings of the environment."""
    return OpenAiEmbedder(OpenAiEmbeddingSettings())
