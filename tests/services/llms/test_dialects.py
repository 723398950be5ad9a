"""Any OpenAI-compatible server: one suite over recorded dialects, whole and streamed."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from salambot.core.problems import Problem
from salambot.core.schemas import ComposeRequest, Passage, Reply, ReplyCompleted, ReplyDelta, Turn
from salambot.llms.citations import CitationReader
from salambot.llms.fallback import FallbackLlm
from salambot.llms.local import LocalLlm
from salambot.llms.openai import OpenAiConfig, OpenAiLlm
from salambot.llms.thinking import HOLD, HOLD_THINKER, ThinkingFilter
from tests.fakes.dialects import (
    ANSWER,
    DONE,
    FAILING,
    ODD,
    RECORDED,
    STOP,
    THOUGHT,
    DialectServer,
    Json,
    Recorded,
    chunk,
    dialect_server,
    pieces,
)

TEXT = "Vous êtes remboursé sous 14 jours. Les frais de retour sont offerts."
PASSAGES = [
    Passage(id=f"{name}#0", score=0.9, title=name, text="Sous 14 jours.", uri="file:///a", language="fr", chunk=0)
    for name in ("a", "b", "c")
]
QUESTION = ComposeRequest(tenant="demo", prompt="C'est quoi votre politique de remboursement ?", passages=PASSAGES)


@pytest.fixture(autouse=True)
def _retry_at_once() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


@asynccontextmanager
async def model(recorded: Recorded) -> AsyncIterator[tuple[OpenAiLlm, DialectServer]]:
    async with dialect_server(recorded) as (server, url):
        llm = OpenAiLlm(OpenAiConfig(SecretStr("sk-test"), url, "recorded", 5.0, 2, 50, 60.0))
        try:
            yield llm, server
        finally:
            await llm.aclose()


async def streamed(llm: OpenAiLlm | FallbackLlm, request: ComposeRequest = QUESTION) -> tuple[str, Reply]:
    events = [event async for event in llm.stream(request)]
    last = events.pop()
    assert isinstance(last, ReplyCompleted)
    return "".join(event.text for event in events if isinstance(event, ReplyDelta)), last.reply


@pytest.mark.parametrize("name", RECORDED)
async def test_a_whole_answer(name: str) -> None:
    async with model(RECORDED[name]) as (llm, server):
        reply = await llm.reply(QUESTION)
        assert (reply.reply, [citation.id for citation in reply.citations]) == (TEXT, ["a#0", "b#0"])
        assert reply.finish_reason == "stop"
        asked = len(server.requests)
        await llm.reply(QUESTION)
        assert len(server.requests) == asked + 1, "what a server refused is not tried again"


@pytest.mark.parametrize("name", RECORDED)
async def test_a_stream(name: str) -> None:
    async with model(RECORDED[name]) as (llm, server):
        text, reply = await streamed(llm)
        assert text == reply.reply == TEXT
        assert [citation.id for citation in reply.citations] == ["a#0", "b#0"]
        asked = len(server.requests)
        await streamed(llm)
        assert len(server.requests) == asked + 1


@pytest.mark.parametrize("name", ODD)
async def test_what_a_model_does_not_want_to_say_is_refused_politely(name: str) -> None:
    whole, stream = ODD[name]
    async with model(Recorded(whole, stream)) as (llm, _):
        for text, reply in [("", await llm.reply(QUESTION)), await streamed(llm)]:
            assert reply.reply.startswith("Je suis désolé, je ne peux pas répondre")
            assert reply.finish_reason == "content_filter"
            assert text in {"", reply.reply}


@pytest.mark.parametrize("name", FAILING)
async def test_what_is_no_answer_is_a_problem_or_the_fallback(name: str) -> None:
    whole, stream = FAILING[name]
    async with model(Recorded(whole, stream)) as (llm, _):
        with pytest.raises(Problem):
            await llm.reply(QUESTION)
        with pytest.raises(Problem):
            await streamed(llm)
        both = FallbackLlm(llm, LocalLlm())
        assert (await both.reply(QUESTION)).provider == "local"
        assert (await streamed(both))[1].provider == "local"


def _thinks_long(body: Json) -> Json | None:
    limit = body.get("max_tokens")
    assert isinstance(limit, int)
    if limit < 2000:
        return {"choices": [{"message": {"content": f"<think>{THOUGHT}"}, "finish_reason": "length"}]}
    return None


async def test_reasoning_that_eats_the_budget_is_given_more_from_then_on() -> None:
    async with model(RECORDED["groq"]) as (llm, server):
        server.answer = _thinks_long
        assert (await llm.reply(QUESTION)).reply == TEXT
        assert (await streamed(llm))[0] == TEXT
        assert len(server.requests) == 3


async def test_a_question_that_is_too_long_is_asked_with_less() -> None:
    def too_long(body: Json) -> Json | None:
        if len(str(body["messages"])) > 3000:
            error = {"message": "maximum context length is 4096 tokens", "code": "context_length_exceeded"}
            return {"error": error | {"code": 400}}
        return None

    request = QUESTION.model_copy(update={"context": [Turn(role="user", content="x" * 2000)] * 3})
    async with model(RECORDED["groq"]) as (llm, server):
        server.answer = too_long
        assert (await llm.reply(request)).reply == TEXT
        assert len(server.requests) == 2


async def test_roles_take_turns_and_the_customer_begins() -> None:
    turns = [
        Turn(role="assistant", content="Bonjour"), Turn(role="user", content="a"), Turn(role="user", content="b"),
        Turn(role="assistant", content="c"),
    ]  # fmt: skip
    async with model(RECORDED["groq"]) as (llm, server):
        await llm.reply(QUESTION.model_copy(update={"context": turns}))
        messages = server.requests[0]["messages"]
        assert isinstance(messages, list)
        assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]


async def test_a_limit_cuts_at_a_sentence() -> None:
    whole: Json = {"choices": [{"message": {"content": "Sous 14 jours [1]. Les fra"}, "finish_reason": "length"}]}
    async with model(Recorded(whole, [])) as (llm, _):
        reply = await llm.reply(QUESTION)
        assert (reply.reply, reply.finish_reason) == ("Sous 14 jours.", "length")


@pytest.mark.parametrize(
    ("written", "shown", "cited"),
    [
        ("A [1, 2]. B [1][3].", "A. B.", "abc"),
        ("A [1-3].", "A.", "abc"),
        ("A【1】. B 【2†source】.", "A. B.", "ab"),
        ("الثمن 350 درهم [١].", "الثمن 350 درهم.", "a"),
        ("A [9]. B [0]. C [123].", "A. B. C.", ""),
        ("A [Passage 1]. B [passage 2]. C [Source: 3]", "A. B. C", "abc"),
        ("A (1). B ¹ C².", "A. B C.", "ab"),
        ("A [ 1 ]. B [1 ].", "A. B.", "a"),
        ("[1] Le prix", "Le prix", "a"),
        ("350 DH [1] , durée 30 min [2] !", "350 DH, durée 30 min !", "ab"),
        ("30 m² (19) et [notre page](https://x.example/1)", "30 m² (19) et [notre page](https://x.example/1)", ""),
        ("appelez le (177)", "appelez le (177)", ""),
        ("**Prix** : 3 [2]", "Prix : 3", "b"),
        ("A [^1]. B [#2].", "A. B.", "ab"),
        ("[1] et [2] disent oui", "et disent oui", "ab"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_citations(written: str, shown: str, cited: str, size: int) -> None:
    reader = CitationReader(PASSAGES)
    text = "".join(reader.feed(written[start : start + size]) for start in range(0, len(written), size))
    assert text + reader.finish() == shown
    assert "".join(citation.title for citation in reader.citations()) == cited


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<think>x</think>Oui.", "Oui."),
        ("<THINK>x\n</THINK>\n\nOui.", "Oui."),
        ("<think>never closed", ""),
        ("[THINK]x[/THINK]Oui.", "Oui."),
        ("◁think▷x◁/think▷Oui.", "Oui."),
        ("<think>a</think>Oui <think>b</think> et non.", "Oui et non."),
        ("5 < 6 et <b>", "5 < 6 et <b>"),
        ("Oui.<|im_end|>", "Oui."),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_reasoning_never_reaches_a_customer(written: str, shown: str, size: int) -> None:
    thinking = ThinkingFilter()
    text = "".join(thinking.feed(written[start : start + size]) for start in range(0, len(written), size))
    assert text + thinking.finish() == shown


@pytest.mark.parametrize("hold", [HOLD, HOLD_THINKER])
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_reasoning_that_a_template_opened_is_dropped(hold: int, size: int) -> None:
    for written in ("Let me see.</think>\nOui.", "Oui."):
        thinking = ThinkingFilter(hold=hold)
        text = "".join(thinking.feed(written[start : start + size]) for start in range(0, len(written), size))
        assert text + thinking.finish() == "Oui."
        assert thinking.closed_unopened is ("</think>" in written)


def test_the_wait_for_a_closing_mark_is_bounded_and_what_a_limit_cut_of_a_thinker_is_reasoning() -> None:
    thinking = ThinkingFilter(hold=HOLD)
    assert thinking.feed("x" * HOLD) == ""
    assert thinking.feed("y") == "x" * HOLD + "y"
    for hold, shown in ((HOLD, "Let me"), (HOLD_THINKER, "")):
        thinking = ThinkingFilter(hold=hold)
        assert thinking.feed("Let me") + thinking.finish(is_cut=True) == shown


async def test_reasoning_of_a_first_stream_is_dropped_though_nothing_opens_it() -> None:
    stream = [chunk({"content": piece}) for piece in (THOUGHT, "\n</thi", "nk>\n\n", *pieces(ANSWER))]
    async with model(Recorded({}, [*stream, STOP, DONE])) as (llm, server):
        for _ in range(2):
            text, reply = await streamed(llm)
            assert text == reply.reply == TEXT
        assert len(server.requests) == 2


@given(st.text(max_size=60), st.integers(1, 7))
def test_text_without_marks_passes_whole(text: str, size: int) -> None:
    if any(mark in text for mark in "<[◁"):
        return
    thinking = ThinkingFilter()
    said = "".join(thinking.feed(text[start : start + size]) for start in range(0, len(text), size))
    assert said + thinking.finish() == text.lstrip()
