"""Embedders: same text, same vector; alike in any script; a provider's failures are bounded and named."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from salambot.knowledge.embedders import EMBEDDERS, open_embedder
from salambot.knowledge.embedders.base import EmbeddingError
from salambot.knowledge.embedders.local import LocalEmbedder
from salambot.knowledge.embedders.openai import MAX_TEXTS, OpenAiEmbedder, OpenAiEmbeddingSettings
from tests.fakes.openai_server import BAD_KEY, OpenAiServer


@given(texts=st.lists(st.text(max_size=300), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
async def test_local_vectors_have_length_one_or_none(texts: list[str]) -> None:
    embedder = LocalEmbedder()
    vectors = await embedder.embed(texts)
    assert vectors.shape == (len(texts), embedder.dimensions)
    assert all(np.isclose(length, 1, atol=1e-4) or length == 0 for length in np.linalg.norm(vectors, axis=1))
    assert np.array_equal(vectors, await embedder.embed(texts))


async def test_many_texts_are_embedded_as_one_is() -> None:
    embedder = LocalEmbedder()
    texts = [f"Livraison numéro {number}" for number in range(40)]
    together = await embedder.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert np.array_equal((await embedder.embed([text]))[0], vector)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("remboursement de ma commande", "Rembourser les commandes", "Horaires de la boutique"),
        ("sécurisé et livré", "securise et livre", "fidélité"),
        ("سياسة الإرجاع", "كيف أُرجِع المنتج", "أوقات العمل"),
        ("nrje3 sel3a", "ترجيع السلعة", "أوقات العمل"),
        ("What is your refund policy?", "Quelle est votre politique de remboursement ?", "Où est votre boutique ?"),
    ],
)
async def test_local_vectors_are_near_across_spelling_and_script(text: str, near: str, far: str) -> None:
    asked, one, other = await LocalEmbedder().embed([text, near, far])
    assert asked @ one > 0.1
    assert asked @ one > asked @ other + 0.1


def test_an_unknown_embedder_is_named() -> None:
    with pytest.raises(ValueError, match="local, e5, onnx, openai"):
        open_embedder("locall")
    assert open_embedder(EMBEDDERS[0]).dimensions == 1024


@pytest.fixture
async def server() -> AsyncIterator[tuple[OpenAiServer, str]]:
    fake = OpenAiServer()
    async with TestServer(fake.app()) as running:
        yield fake, str(running.make_url("/v1"))


def over(url: str, key: str = "sk-good", dimensions: int = 64) -> OpenAiEmbedder:
    return OpenAiEmbedder(
        OpenAiEmbeddingSettings(
            openai_api_key=SecretStr(key), openai_base_url=url, openai_embedding_dimensions=dimensions
        )
    )


async def test_openai_is_asked_in_batches_and_again_after_a_failure(server: tuple[OpenAiServer, str]) -> None:
    fake, url = server
    embedder = over(url)
    fake.script("rate_limit", "error_500")
    texts = [f"texte {number}" for number in range(MAX_TEXTS + 1)]
    vectors = await embedder.embed(texts)
    assert vectors.shape == (len(texts), 64)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert np.allclose((await embedder.embed([texts[-1]]))[0], vectors[-1], atol=1e-3)
    assert len(fake.requests) == 5
    assert (await embedder.embed([])).shape == (0, 64)
    await embedder.close()


@pytest.mark.parametrize(("key", "status"), [(BAD_KEY, "401 invalid_api_key")])
async def test_openai_that_refuses_is_named(server: tuple[OpenAiServer, str], key: str, status: str) -> None:
    embedder = over(server[1], key)
    with pytest.raises(EmbeddingError, match=status):
        await embedder.embed(["x"])
    await embedder.close()
