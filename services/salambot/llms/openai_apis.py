"""The two ways to ask for a completion: Responses for OpenAI itself, Chat Completions for compatible servers."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import openai
import orjson
from opentelemetry.trace import Span, SpanKind

from salambot.core import tracing
from salambot.core.schemas import Usage
from salambot.llms.openai_http import DONE, ApiError, OpenAiHttp
from salambot.llms.parameters import Parameters
from salambot.llms.shapes import Completion, FinishReason, ResponseEvent, ResponseShape, StreamChunk, finish_reason

Messages = list[tuple[str, str]]
"""(role, content), the instructions first."""


@dataclass(frozen=True, slots=True)
class CompletionChunk:
    """A piece of an answer, or the whole; the one that ends it has a finish reason."""

    text: str = ""
    finish_reason: FinishReason | None = None
    model: str | None = None
    usage: Usage = field(default_factory=Usage)


class CompletionApi(Protocol):
    """One API. Raises what asking.py raises, and pydantic's or JSON's errors for what is not of the protocol."""

    parameters: Parameters

    async def complete(self, messages: Messages) -> CompletionChunk:
        """Return the whole answer."""
        ...

    def stream(self, messages: Messages) -> AsyncGenerator[CompletionChunk, None]:
        """Yield the answer in pieces. Closing the generator closes the connection."""
        ...


@contextmanager
def _calling(client: openai.AsyncOpenAI, model: str, parameters: Parameters) -> Iterator[Span]:
    """Make the span of a call, as OpenTelemetry's semantic conventions for generative AI name it.

    It does not become current, so that it may stand around a `yield`.
    """
    span = tracing.start_span(f"chat {model}", SpanKind.CLIENT)
    if span.is_recording():
        url = client.base_url
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": model,
                "gen_ai.request.max_tokens": parameters.reply_tokens, "server.address": url.host,
                "server.port": url.port or (443 if url.scheme == "https" else 80),
            }
        )  # fmt: skip
    try:
        yield span
    except Exception as error:
        tracing.record_error(span, type(error).__name__)
        raise
    finally:
        span.end()


def _tell(span: Span, part: CompletionChunk) -> None:
    span.set_attributes(
        {
            "gen_ai.response.model": part.model or "",
            "gen_ai.response.finish_reasons": [part.finish_reason or ""],
            "gen_ai.usage.input_tokens": part.usage.input_tokens,
            "gen_ai.usage.output_tokens": part.usage.output_tokens,
        }
    )


def _read(content: bytes) -> object:
    """Return an answer's JSON. Raises ApiError for an error that came with status 200."""
    answer: object = orjson.loads(content)
    if refused := ApiError.in_answer(answer):
        raise refused
    return answer


class ChatCompletions:
    """`POST /chat/completions`, which every compatible server has."""

    def __init__(self, client: openai.AsyncOpenAI, asking: OpenAiHttp, model: str) -> None:
        self.parameters = Parameters()
        self._client = client
        self._asking = asking
        self._model = model

    async def complete(self, messages: Messages) -> CompletionChunk:
        """Return the whole answer."""
        with _calling(self._client, self._model, self.parameters) as span:
            answer = _read(await self._asking.post("/chat/completions", self._body(messages)))
            part = _part(Completion.model_validate(answer))
            _tell(span, part)
        return part

    async def stream(self, messages: Messages) -> AsyncGenerator[CompletionChunk, None]:
        """Yield the answer in pieces; the last one holds the usage where the server counts it."""
        body = self._body(messages) | {"stream": True}
        body |= self.parameters.accepted({"stream_options": {"include_usage": True}})
        last, ended, refused = CompletionChunk(), False, False
        with _calling(self._client, self._model, self.parameters) as span:
            async with aclosing(self._asking.events("/chat/completions", body)) as events:
                async for data in events:
                    if data.strip() == DONE:
                        ended = True
                        break
                    chunk = StreamChunk.model_validate(_read(data))
                    refused = refused or any(choice.refusal for choice in chunk.choices)
                    last, text = _merge(last, chunk)
                    if text:
                        yield CompletionChunk(text)
            if not (ended or last.finish_reason):
                return
            reason = "content_filter" if refused else last.finish_reason or "stop"
            last = CompletionChunk("", reason, last.model or self._model, last.usage)
            _tell(span, last)
        yield last

    def _body(self, messages: Messages) -> dict[str, object]:
        return {"model": self._model, "messages": chat_messages(messages, self.parameters), **self.parameters.limit()}


def chat_messages(messages: Messages, parameters: Parameters) -> list[dict[str, str]]:
    """Return the messages as templates of models want them: the roles take turns, and the customer begins.

    Where a model knows no system role, the instructions stand above the first question.
    """
    (_, instructions), *turns = messages
    while len(turns) > 1 and turns[0][0] == "assistant":
        turns = turns[1:]
    merged: Messages = []
    for role, content in turns:
        if merged and merged[-1][0] == role:
            merged[-1] = (role, f"{merged[-1][1]}\n\n{content}")
        else:
            merged.append((role, content))
    if parameters.system_role:
        merged.insert(0, ("system", instructions))
    elif merged:
        merged[0] = (merged[0][0], f"{instructions}\n\n{merged[0][1]}")
    return [{"role": role, "content": content} for role, content in merged]


def _part(completion: Completion) -> CompletionChunk:
    choice = completion.choices[0]
    refused = choice.refusal and not choice.said
    reason: FinishReason = "content_filter" if refused else finish_reason(choice.finish_reason)
    return CompletionChunk(choice.said, reason, completion.model, completion.usage.counted())


def _merge(last: CompletionChunk, chunk: StreamChunk) -> tuple[CompletionChunk, str]:
    """Return what a chunk adds to what is known of the end, and its text."""
    counted = chunk.usage.counted()
    usage = counted if counted != Usage() else last.usage
    choice = chunk.choices[0] if chunk.choices else None
    reason = finish_reason(choice.finish_reason) if choice and choice.finish_reason else last.finish_reason
    return CompletionChunk("", reason, chunk.model or last.model, usage), choice.said if choice else ""


class Responses:
    """`POST /responses`, with nothing stored at OpenAI."""

    def __init__(self, client: openai.AsyncOpenAI, asking: OpenAiHttp, model: str) -> None:
        self.parameters = Parameters(length_member="max_output_tokens", thinks_unopened=False)
        self._client = client
        self._asking = asking
        self._model = model

    async def complete(self, messages: Messages) -> CompletionChunk:
        """Return the whole answer."""
        with _calling(self._client, self._model, self.parameters) as span:
            response = ResponseShape.model_validate(_read(await self._asking.post("/responses", self._body(messages))))
            if response.status == "failed":
                raise ApiError(502, (), "")
            part = _ended(response, response.text)
            _tell(span, part)
        return part

    async def stream(self, messages: Messages) -> AsyncGenerator[CompletionChunk, None]:
        """Yield the answer in pieces."""
        body = self._body(messages) | {"stream": True}
        with _calling(self._client, self._model, self.parameters) as span:
            async with aclosing(self._asking.events("/responses", body)) as events:
                async for data in events:
                    if data.strip() == DONE:
                        return
                    event = ResponseEvent.model_validate(_read(data))
                    if event.type == "response.output_text.delta":
                        yield CompletionChunk(event.delta)
                    elif event.type in {"response.completed", "response.incomplete"} and event.response:
                        part = _ended(event.response, "")
                        _tell(span, part)
                        yield part
                    elif event.type in {"response.failed", "error"}:
                        raise ApiError(502, (), "")

    def _body(self, messages: Messages) -> dict[str, object]:
        (_, instructions), *turns = messages
        return {
            "model": self._model,
            "instructions": instructions,
            "input": [{"role": role, "content": content} for role, content in turns],
            **self.parameters.limit(),
            **self.parameters.accepted({"store": False}),
        }


def _ended(response: ResponseShape, text: str) -> CompletionChunk:
    return CompletionChunk(text, response.finish_reason, response.model, response.usage.counted())
