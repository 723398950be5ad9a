"""nlu in front of an LLM over HTTP: its failures in a stream, its callers that leave, its readiness to fall back."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from salambot.core.problems import Problem
from salambot.core.schemas import ComposeRequest, Reply, ReplyCompleted, ReplyDelta, ReplyFailed
from salambot.nlu.app import create_app
from salambot.nlu.settings import NluSettings
from salambot.rpc.service_client import ServiceClient
from tests.fakes.openai_server import OpenAiServer, openai_server
from tests.serving import serving

TOKEN = SecretStr("internal-token-of-the-tests")
PATIENCE_S = 60
QUESTION = ComposeRequest(tenant="demo", prompt="Quel est le délai de livraison ?")


@pytest.fixture
async def upstream() -> AsyncIterator[tuple[OpenAiServer, str]]:
    async with openai_server() as server:
        yield server


def settings(url: str, **changes: object) -> NluSettings:
    return NluSettings(
        internal_token=TOKEN,
        llm="openai",
        openai_api_key=SecretStr("sk-test"),
        openai_base_url=url,
        llm_attempts=1,
        **changes,
    )


@pytest.fixture
async def nlu(upstream: tuple[OpenAiServer, str]) -> AsyncIterator[ServiceClient]:
    async with serving(create_app(settings(upstream[1]))) as url, ServiceClient("nlu", url, TOKEN) as hop:
        yield hop


async def test_a_reply_of_the_model(nlu: ServiceClient) -> None:
    reply = await nlu.post("/internal/generate", QUESTION, Reply, PATIENCE_S)
    assert (reply.provider, reply.model) == ("openai", "gpt-4.1-mini")


async def test_what_fails_before_the_first_piece_is_a_problem(
    nlu: ServiceClient, upstream: tuple[OpenAiServer, str]
) -> None:
    upstream[0].always = "error_500"
    with pytest.raises(Problem) as caught:
        await anext(nlu.stream("/internal/generate", QUESTION, PATIENCE_S))
    assert (caught.value.status, caught.value.code) == (503, "llm_unavailable")


async def test_what_breaks_later_is_the_last_event(nlu: ServiceClient, upstream: tuple[OpenAiServer, str]) -> None:
    await nlu.post("/internal/generate", QUESTION, Reply, PATIENCE_S)  # the first answer of a server is held to its end
    upstream[0].always = "cut"
    events = [event async for event in nlu.stream("/internal/generate", QUESTION, PATIENCE_S)]
    assert isinstance(events[0], ReplyDelta)
    assert isinstance(events[-1], ReplyFailed)
    assert events[-1].problem["code"] == "llm_unavailable"


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_caller_that_leaves_cancels_the_call_to_the_model(
    nlu: ServiceClient, upstream: tuple[OpenAiServer, str], streaming: bool
) -> None:
    server = upstream[0]
    await nlu.post("/internal/generate", QUESTION, Reply, PATIENCE_S)  # as above
    await server.arrivals.acquire()
    server.always = "stall" if streaming else "slow"
    if streaming:
        events = nlu.stream("/internal/generate", QUESTION, PATIENCE_S)
        await anext(events)
        await events.aclose()
    else:
        call = asyncio.create_task(nlu.post("/internal/generate", QUESTION, Reply, PATIENCE_S))
        await server.arrivals.acquire()
        call.cancel()
    async with asyncio.timeout(PATIENCE_S):
        await server.cancelled.wait()


async def test_the_local_answer_is_given_where_allowed(upstream: tuple[OpenAiServer, str]) -> None:
    upstream[0].always = "insufficient_quota"
    app = create_app(settings(upstream[1], llm_fallback="local"))
    async with serving(app) as url, ServiceClient("nlu", url, TOKEN) as hop:
        reply = await hop.post("/internal/generate", QUESTION, Reply, PATIENCE_S)
        events = [event async for event in hop.stream("/internal/generate", QUESTION, PATIENCE_S)]
    assert reply.provider == "local"
    assert isinstance(events[-1], ReplyCompleted)
    assert events[-1].reply == reply
