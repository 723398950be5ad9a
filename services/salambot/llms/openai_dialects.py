"""The two ways to ask for a completion: Responses for OpenAI itself, Chat Completions for compatible servers.

A whole answer is asked for without the SDK (see asking.py), and read into the few fields that are used. So the span of
the call is ours to make, too.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol, cast

import openai
from openai.types.chat import ChatCompletionMessageParam
from openai.types.completion_usage import CompletionUsage
from openai.types.responses import EasyInputMessageParam, Response, ResponseInputParam
from opentelemetry.trace import Span, SpanKind
from pydantic import BaseModel, ConfigDict, Field

from salambot import tracing
from salambot.llms.asking import Asking
from salambot.llms.prompting import conversation, instructions
from salambot.messages import ComposeRequest, Language, Usage

LONGEST_REPLY = 700
"""Tokens."""
FinishReason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of an answer, or the whole; the one that ends it has a finish reason."""

    text: str = ""
    finish_reason: FinishReason | None = None
    model: str | None = None
    usage: Usage = field(default_factory=Usage)


class Dialect(Protocol):
    """One API; errors are those of asking.py, of a stream the SDK's, of an answer not of the protocol pydantic's."""

    async def whole(self, request: ComposeRequest, language: Language) -> Part:
        """Return the whole answer."""
        ...

    def parts(self, request: ComposeRequest, language: Language) -> AsyncGenerator[Part, None]:
        """Yield the answer in pieces. Closing the generator closes the connection."""
        ...


class _Told(BaseModel):
    """A part of an answer; what is wrong with it is told without quoting it."""

    model_config = ConfigDict(hide_input_in_errors=True)


class _Message(_Told):
    content: str | None = None


class _Choice(_Told):
    message: _Message
    finish_reason: str | None = None


class _Tokens(_Told):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(_Told):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    model: str | None = None
    usage: _Tokens | None = None


class _Content(_Told):
    type: str
    text: str = ""


class _Item(_Told):
    content: list[_Content] | None = None


class _Details(_Told):
    reason: str | None = None


class _ResponseTokens(_Told):
    input_tokens: int = 0
    output_tokens: int = 0


class _Response(_Told):
    output: list[_Item]
    model: str | None = None
    incomplete_details: _Details | None = None
    usage: _ResponseTokens | None = None

    @property
    def text(self) -> str:
        parts = (part for item in self.output for part in item.content or ())
        return "".join(part.text for part in parts if part.type == "output_text")


@contextmanager
def _calling(client: openai.AsyncOpenAI, model: str) -> Iterator[Span]:
    """Make the span of a call, as OpenTelemetry's semantic conventions for generative AI name it."""
    span = tracing.begin(f"chat {model}", SpanKind.CLIENT)
    if span.is_recording():
        url = client.base_url
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": model,
                "gen_ai.request.max_tokens": LONGEST_REPLY, "server.address": url.host,
                "server.port": url.port or (443 if url.scheme == "https" else 80),
            }
        )  # fmt: skip
    try:
        with tracing.within(span):
            yield span
    finally:
        span.end()


def _tell(span: Span, part: Part) -> None:
    span.set_attributes(
        {
            "gen_ai.response.model": part.model or "",
            "gen_ai.response.finish_reasons": [part.finish_reason or ""],
            "gen_ai.usage.input_tokens": part.usage.input_tokens,
            "gen_ai.usage.output_tokens": part.usage.output_tokens,
        }
    )


class ChatCompletions:
    """`POST /chat/completions`, which every compatible server has."""

    def __init__(self, client: openai.AsyncOpenAI, asking: Asking, model: str) -> None:
        self._client = client
        self._asking = asking
        self._model = model

    async def whole(self, request: ComposeRequest, language: Language) -> Part:
        """Return the whole answer."""
        body = {"model": self._model, "messages": _messages(request, language), "max_tokens": LONGEST_REPLY}
        with _calling(self._client, self._model) as span:
            completion = _Completion.model_validate_json(await self._asking.post("/chat/completions", body))
            choice = completion.choices[0]
            reason = _finish_reason(choice.finish_reason)
            part = Part(choice.message.content or "", reason, completion.model, _chat_usage(completion.usage))
            _tell(span, part)
        return part

    async def parts(self, request: ComposeRequest, language: Language) -> AsyncGenerator[Part, None]:
        """Yield the answer in pieces; the last one holds the usage where the server counts it."""
        stream = await self._client.chat.completions.create(
            model=self._model,
            messages=_messages(request, language),
            max_tokens=LONGEST_REPLY,
            stream=True,
            stream_options={"include_usage": True},
        )
        ended: FinishReason | None = None
        usage, model = Usage(), self._model
        async with stream:
            async for chunk in stream:
                usage, model = _chat_usage(chunk.usage) if chunk.usage else usage, chunk.model
                for choice in chunk.choices[:1]:
                    if choice.finish_reason:
                        ended = _finish_reason(choice.finish_reason)
                    if choice.delta.content:
                        yield Part(choice.delta.content)
        if ended is not None:
            yield Part("", ended, model, usage)


class Responses:
    """`POST /responses`, with nothing stored at OpenAI."""

    def __init__(self, client: openai.AsyncOpenAI, asking: Asking, model: str) -> None:
        self._client = client
        self._asking = asking
        self._model = model

    async def whole(self, request: ComposeRequest, language: Language) -> Part:
        """Return the whole answer."""
        body = {
            "model": self._model, "instructions": instructions(request, language), "input": _input(request),
            "max_output_tokens": LONGEST_REPLY, "store": False,
        }  # fmt: skip
        with _calling(self._client, self._model) as span:
            response = _Response.model_validate_json(await self._asking.post("/responses", body))
            part = _ended(response, response.text)
            _tell(span, part)
        return part

    async def parts(self, request: ComposeRequest, language: Language) -> AsyncGenerator[Part, None]:
        """Yield the answer in pieces."""
        stream = await self._client.responses.create(
            model=self._model,
            instructions=instructions(request, language),
            input=_input(request),
            max_output_tokens=LONGEST_REPLY,
            store=False,
            stream=True,
        )
        async with stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    yield Part(event.delta)
                elif event.type in {"response.completed", "response.incomplete"}:
                    yield _ended(cast("Response", getattr(event, "response", None)), "")
                elif event.type in {"response.failed", "error"}:
                    raise openai.OpenAIError("the model failed")


def _messages(request: ComposeRequest, language: Language) -> list[ChatCompletionMessageParam]:
    messages = [{"role": "system", "content": instructions(request, language)}]
    messages += [{"role": role, "content": content} for role, content in conversation(request)]
    return cast("list[ChatCompletionMessageParam]", messages)


def _input(request: ComposeRequest) -> ResponseInputParam:
    return [
        EasyInputMessageParam(role="user" if role == "user" else "assistant", content=content)
        for role, content in conversation(request)
    ]


def _finish_reason(given: str | None) -> FinishReason:
    return given if given in {"length", "content_filter"} else "stop"  # type: ignore[return-value]  # narrowed by `in`


def _chat_usage(usage: CompletionUsage | _Tokens | None) -> Usage:
    if usage is None:
        return Usage()
    return Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)


def _ended(response: Response | _Response, text: str) -> Part:
    details = response.incomplete_details
    reason = {"max_output_tokens": "length"}.get(details.reason or "", details.reason or "") if details else "stop"
    usage = response.usage
    counted = Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens) if usage else Usage()
    return Part(text, _finish_reason(reason), response.model, counted)
