"""nlu over HTTP: the reply whole and in pieces, and what it refuses."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from pydantic import SecretStr

from salambot.core.schemas import ComposeRequest, Passage, Reply, ReplyCompleted, ReplyDelta
from salambot.nlu.app import create_app
from salambot.nlu.settings import NluSettings
from salambot.rpc.service_client import ServiceClient
from tests.serving import serving

TOKEN = SecretStr("internal-token-of-the-tests")
PATIENCE_S = 60
REFUND = Passage(
    id="refund#0",
    score=0.9,
    title="Remboursement",
    text="## Quelle est votre politique de remboursement ?\n\nVous êtes remboursé sous 14 jours, frais compris.",
    uri="file:///kb/refund.md",
    language="fr",
    chunk=0,
)
QUESTION = ComposeRequest(tenant="demo", prompt="C'est quoi votre politique de remboursement ?", passages=[REFUND])


@pytest.fixture
async def nlu() -> AsyncIterator[str]:
    async with serving(create_app(NluSettings(internal_token=TOKEN))) as url:
        yield url


async def test_a_reply_comes_whole(nlu: str) -> None:
    async with ServiceClient("nlu", nlu, TOKEN) as hop:
        reply = await hop.post("/internal/generate", QUESTION, Reply, PATIENCE_S)
    assert reply.reply.endswith("Vous êtes remboursé sous 14 jours, frais compris.")
    assert reply.provider == "local"
    assert [citation.id for citation in reply.citations] == ["refund#0"]


async def test_a_reply_comes_in_pieces_that_make_the_whole(nlu: str) -> None:
    async with ServiceClient("nlu", nlu, TOKEN) as hop:
        events = [event async for event in hop.stream("/internal/generate", QUESTION, PATIENCE_S)]
    last = events.pop()
    assert isinstance(last, ReplyCompleted)
    assert len(events) > 1
    assert "".join(event.text for event in events if isinstance(event, ReplyDelta)) == last.reply.reply


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 422), (b'{"tenant":"demo"}', 422), (b'{"tenant":"demo","prompt":"a","extra":1}', 422)],
)
async def test_what_is_no_request_is_refused_without_echo(nlu: str, body: bytes, status: int) -> None:
    headers = {"X-SalamBot-Internal": TOKEN.get_secret_value()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{nlu}/internal/generate", data=body, headers=headers) as answer,
    ):
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        assert "extra" not in await answer.text()


async def test_strangers_are_refused(nlu: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{nlu}/internal/generate", data=b"{}") as answer:
        assert answer.status == 401


async def test_metrics_name_the_route(nlu: str) -> None:
    async with ServiceClient("nlu", nlu, TOKEN) as hop:
        await hop.post("/internal/generate", QUESTION, Reply, PATIENCE_S)
    async with aiohttp.ClientSession() as session, session.get(f"{nlu}/metrics") as answer:
        text = await answer.text()
    assert 'salambot_http_requests_total{route="/internal/generate",service="nlu",status="200"}' in text
    assert 'salambot_llm_tokens_total{direction="output",provider="local"}' in text
