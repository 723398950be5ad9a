"""The two ways to ask for a completion: Responses for OpenAI itself, Chat Completions for compatible servers."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol, cast

import openai
from openai.types.chat import ChatCompletionMessageParam
from openai.types.completion_usage import CompletionUsage
from openai.types.responses import EasyInputMessageParam, Response, ResponseInputParam

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
    """One API of the SDK; errors are the SDK's."""

    async def whole(self, request: ComposeRequest, language: Language) -> Part:
        """Return the whole answer."""
        ...

    def parts(self, request: ComposeRequest, language: Language) -> AsyncGenerator[Part, None]:
        """Yield the answer in pieces. Closing the generator closes the connection."""
        ...


class ChatCompletions:
    """`POST /chat/completions`, which every compatible server has."""

    def __init__(self, client: openai.AsyncOpenAI, model: str) -> None:
        self._client = client
        self._model = model

    async def whole(self, request: ComposeRequest, language: Language) -> Part:
        """Return the whole answer."""
        completion = await self._client.chat.completions.create(
            model=self._model, messages=_messages(request, language), max_tokens=LONGEST_REPLY
        )
        if not getattr(completion, "choices", None):
            raise openai.OpenAIError("no choice in the answer")
        choice = completion.choices[0]
        reason = _finish_reason(choice.finish_reason)
        return Part(choice.message.content or "", reason, completion.model, _chat_usage(completion.usage))

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

    def __init__(self, client: openai.AsyncOpenAI, model: str) -> None:
        self._client = client
        self._model = model

    async def whole(self, request: ComposeRequest, language: Language) -> Part:
        """Return the whole answer."""
        response = await self._client.responses.create(
            model=self._model,
            instructions=instructions(request, language),
            input=_input(request),
            max_output_tokens=LONGEST_REPLY,
            store=False,
        )
        return _ended(response, response.output_text)

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


def _finish_reason(given: str) -> FinishReason:
    return given if given in {"length", "content_filter"} else "stop"  # type: ignore[return-value]  # narrowed by `in`


def _chat_usage(usage: CompletionUsage | None) -> Usage:
    if usage is None:
        return Usage()
    return Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)


def _ended(response: Response, text: str) -> Part:
    details = response.incomplete_details
    reason = {"max_output_tokens": "length"}.get(details.reason or "", details.reason or "") if details else "stop"
    usage = response.usage
    counted = Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens) if usage else Usage()
    return Part(text, _finish_reason(reason), response.model, counted)
