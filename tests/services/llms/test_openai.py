"""The OpenAI provider against a server that speaks its protocol, whole and streamed, and each way it fails."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import stamina
from pydantic import SecretStr

from salambot.core.problems import Problem
from salambot.core.schemas import ComposeRequest, Passage, Reply, ReplyCompleted, ReplyDelta, Turn
from salambot.llms.fallback import FallbackLlm
from salambot.llms.local import LocalLlm
from salambot.llms.openai import OpenAiConfig, OpenAiLlm
from salambot.llms.openai_apis import Responses
from tests.fakes.openai_server import BAD_KEY, Fault, OpenAiServer, openai_server


def passage(name: str, text: str) -> Passage:
    return Passage(id=f"{name}#0", score=0.9, title=name, text=text, uri=f"file:///{name}", language="fr", chunk=0)


PASSAGES = [passage("Remboursement", "Remboursement sous 14 jours."), passage("Horaires", "Ouvert de 9 h à 18 h.")]
QUESTION = ComposeRequest(
    tenant="demo",
    prompt="C'est quoi votre politique de remboursement ?",
    context=[Turn(role="user", content="Bonjour"), Turn(role="assistant", content="Bonjour !")],
    passages=PASSAGES,
)
TEXT = "Vous êtes remboursé sous 14 jours. Les frais de retour sont offerts."


@pytest.fixture(autouse=True)
def _retry_at_once() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@asynccontextmanager
async def opened(base_url: str, **changes: object) -> AsyncIterator[OpenAiLlm]:
    config: dict[str, object] = {
        "api_key": SecretStr("sk-test"),
        "base_url": base_url,
        "model": "gpt-test",
        "timeout": 5.0,
        "attempts": 3,
        "circuit_failures": 50,
        "circuit_seconds": 60.0,
    }
    llm = OpenAiLlm(OpenAiConfig(**(config | changes)))  # type: ignore[arg-type]
    try:
        yield llm
    finally:
        await llm.aclose()


@pytest.fixture
async def upstream() -> AsyncIterator[tuple[OpenAiServer, str]]:
    async with openai_server() as server:
        yield server


@pytest.fixture(params=["chat", "responses"])
async def llm(request: pytest.FixtureRequest, upstream: tuple[OpenAiServer, str]) -> AsyncIterator[OpenAiLlm]:
    async with opened(upstream[1]) as llm:
        if request.param == "responses":
            llm._dialect = Responses(llm._client, llm._asking, "gpt-test")
        yield llm


async def streamed(llm: OpenAiLlm | FallbackLlm) -> tuple[str, Reply]:
    events = [event async for event in llm.stream(QUESTION)]
    last = events.pop()
    assert isinstance(last, ReplyCompleted)
    return "".join(event.text for event in events if isinstance(event, ReplyDelta)), last.reply


async def test_a_whole_reply_cites_what_the_model_named(llm: OpenAiLlm, upstream: tuple[OpenAiServer, str]) -> None:
    reply = await llm.reply(QUESTION)
    assert reply.reply == TEXT
    assert reply.provider == "openai"
    assert reply.language == "fr"
    assert [citation.id for citation in reply.citations] == ["Remboursement#0"]
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (120, 20)
    assert "=== passage 1 " in str(upstream[0].requests[0])


async def test_a_streamed_reply_is_the_same(llm: OpenAiLlm) -> None:
    text, reply = await streamed(llm)
    assert text == reply.reply == TEXT
    assert [citation.id for citation in reply.citations] == ["Remboursement#0"]
    assert reply.usage.output_tokens == 20


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_why_an_answer_ended_is_told(llm: OpenAiLlm, upstream: tuple[OpenAiServer, str], reason: str) -> None:
    upstream[0].finish_reason = reason
    assert (await llm.reply(QUESTION)).finish_reason == reason
    assert (await streamed(llm))[1].finish_reason == reason


@pytest.mark.parametrize("fault", ["rate_limit", "error_500", "invalid_json", "nonsense", "cut"])
async def test_what_passes_is_tried_again(llm: OpenAiLlm, upstream: tuple[OpenAiServer, str], fault: Fault) -> None:
    upstream[0].script(fault, fault)
    assert (await llm.reply(QUESTION)).reply == TEXT
    assert len(upstream[0].requests) == 3


@pytest.mark.parametrize("fault", ["rate_limit", "error_500"])
async def test_a_stream_is_tried_again_before_its_first_piece(
    llm: OpenAiLlm, upstream: tuple[OpenAiServer, str], fault: Fault
) -> None:
    upstream[0].script(fault, fault)
    assert (await streamed(llm))[0] == TEXT


@pytest.mark.parametrize(
    ("fault", "code", "status", "requests"),
    [
        ("rate_limit", "llm_unavailable", 503, 3),
        ("error_500", "llm_unavailable", 503, 3),
        ("cut", "llm_unavailable", 503, 3),
        ("invalid_json", "llm_invalid", 502, 3),
        ("nonsense", "llm_invalid", 502, 3),
        ("insufficient_quota", "llm_quota_exceeded", 503, 1),
    ],
)
async def test_what_lasts_is_a_problem_that_names_the_host(
    llm: OpenAiLlm, upstream: tuple[OpenAiServer, str], fault: Fault, code: str, status: int, requests: int
) -> None:
    upstream[0].always = fault
    with pytest.raises(Problem) as caught:
        await llm.reply(QUESTION)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert "127.0.0.1" in str(caught.value.detail)
    assert len(upstream[0].requests) == requests


async def test_a_silent_host_is_given_up(upstream: tuple[OpenAiServer, str]) -> None:
    upstream[0].always = "slow"
    async with opened(upstream[1], timeout=0.3) as llm:
        with pytest.raises(Problem) as caught:
            await llm.reply(QUESTION)
        assert (caught.value.code, caught.value.status) == ("llm_timeout", 504)
        with pytest.raises(Problem, match="in time"):
            await streamed(llm)


async def test_a_stream_that_stalls_is_given_up(upstream: tuple[OpenAiServer, str]) -> None:
    upstream[0].always = "stall"
    async with opened(upstream[1], timeout=0.3) as llm:
        with pytest.raises(Problem) as caught:
            await streamed(llm)
    assert caught.value.code == "llm_timeout"


@pytest.mark.parametrize(("fault", "code"), [("cut", "llm_unavailable"), ("silent_cut", "llm_broken")])
async def test_a_stream_that_breaks_is_not_passed_off_as_whole(
    llm: OpenAiLlm, upstream: tuple[OpenAiServer, str], fault: Fault, code: str
) -> None:
    await llm.reply(QUESTION)  # the first answer shows that this server marks reasoning, or has none: nothing is held
    upstream[0].always = fault
    events = llm.stream(QUESTION)
    assert isinstance(await anext(events), ReplyDelta)
    with pytest.raises(Problem) as caught:
        assert not [event async for event in events if not isinstance(event, ReplyDelta)]
    assert caught.value.code == code


async def test_a_wrong_key_is_told_without_trying_again(upstream: tuple[OpenAiServer, str]) -> None:
    async with opened(upstream[1], api_key=SecretStr(BAD_KEY)) as llm:
        with pytest.raises(Problem) as caught:
            await llm.reply(QUESTION)
    assert caught.value.code == "llm_unauthorized"
    assert BAD_KEY not in str(caught.value.document())


async def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with opened(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", attempts=1) as llm:
            with pytest.raises(Problem) as caught:
                await llm.reply(QUESTION)
    assert (caught.value.code, caught.value.status) == ("llm_unavailable", 503)


async def test_the_circuit_opens_and_closes_again(upstream: tuple[OpenAiServer, str]) -> None:
    server, url = upstream
    async with opened(url, attempts=1, circuit_failures=2, circuit_seconds=0.2) as llm:
        server.script("error_500", "error_500")
        for _ in range(2):
            with pytest.raises(Problem):
                await llm.reply(QUESTION)
        with pytest.raises(Problem, match="left alone") as caught:
            await llm.reply(QUESTION)
        assert caught.value.headers == {"Retry-After": "1"}
        assert len(server.requests) == 2
        await asyncio.sleep(0.25)  # the circuit's own time: there is no condition to wait for
        assert (await llm.reply(QUESTION)).reply == TEXT
        assert llm.circuit.state == "closed"


async def test_a_circuit_does_not_stay_open_until_a_clock_that_was_set_back_has_caught_up(
    upstream: tuple[OpenAiServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url = upstream
    async with opened(url, attempts=1, circuit_failures=1, circuit_seconds=0.2) as llm:
        server.script("error_500")
        with pytest.raises(Problem):
            await llm.reply(QUESTION)
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() - 3600)
        with pytest.raises(Problem, match="left alone") as caught:
            await llm.reply(QUESTION)
        assert caught.value.headers == {"Retry-After": "1"}
        await asyncio.sleep(0.25)  # the circuit's own time: there is no condition to wait for
        assert (await llm.reply(QUESTION)).reply == TEXT


async def test_a_circuit_whose_time_is_over_lets_one_reply_try_and_no_other_beside_it(
    upstream: tuple[OpenAiServer, str],
) -> None:
    server, url = upstream
    async with opened(url, attempts=1, circuit_failures=1, circuit_seconds=0.01) as llm:
        server.script("error_500", "slow")
        with pytest.raises(Problem):
            await llm.reply(QUESTION)
        await asyncio.sleep(0.02)  # the circuit's own time: there is no condition to wait for
        trying = asyncio.create_task(llm.reply(QUESTION))
        try:
            for _ in range(2):
                await server.arrivals.acquire()
            for _ in range(3):
                with pytest.raises(Problem, match="left alone") as caught:
                    await llm.reply(QUESTION)
                assert caught.value.headers == {"Retry-After": "1"}
            assert len(server.requests) == 2
        finally:
            trying.cancel()
            await asyncio.wait([trying])
        assert (await llm.reply(QUESTION)).reply == TEXT


async def test_leaving_cancels_the_call(llm: OpenAiLlm, upstream: tuple[OpenAiServer, str]) -> None:
    await llm.reply(QUESTION)
    await upstream[0].arrivals.acquire()
    upstream[0].always = "stall"
    events = llm.stream(QUESTION)
    await anext(events)
    await events.aclose()
    async with asyncio.timeout(60):
        await upstream[0].cancelled.wait()
    upstream[0].cancelled.clear()
    upstream[0].always = "slow"
    whole = asyncio.create_task(llm.reply(QUESTION))
    for _ in range(2):
        await upstream[0].arrivals.acquire()
    whole.cancel()
    async with asyncio.timeout(60):
        await upstream[0].cancelled.wait()
    assert llm.circuit.state == "closed"


async def test_the_local_provider_answers_for_it_where_allowed(upstream: tuple[OpenAiServer, str]) -> None:
    upstream[0].always = "error_500"
    async with opened(upstream[1], attempts=1) as llm:
        both = FallbackLlm(llm, LocalLlm())
        assert (await both.reply(QUESTION)).provider == "local"
        text, reply = await streamed(both)
        assert reply.provider == "local"
        assert text == reply.reply
        upstream[0].always = None
        assert (await both.reply(QUESTION)).provider == "openai"
        upstream[0].always = "cut"
        with pytest.raises(Problem):
            await streamed(both)
