"""OpenAI, and whatever speaks its protocol: bounded retries, a circuit, and problems that name the host."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from json import JSONDecodeError

import openai
import stamina
from pydantic import SecretStr, ValidationError
from stamina.instrumentation import set_on_retry_hooks

from salambot.core.businesses import Businesses, business_of
from salambot.core.problems import Problem
from salambot.core.schemas import ComposeRequest, Language, Reply, ReplyCompleted, ReplyDelta, ReplyFailed, utc_now
from salambot.language.detection import detect
from salambot.language.query_rewriting import detect_in_context
from salambot.llms.circuit_breaker import CircuitBreaker
from salambot.llms.citations import CitationReader
from salambot.llms.openai_apis import ChatCompletions, CompletionApi, CompletionChunk, Messages, Responses
from salambot.llms.openai_http import ApiError, ConnectionFailedError, OpenAiHttp
from salambot.llms.parameters import is_too_long
from salambot.llms.phrases import phrase
from salambot.llms.prompting import is_certain, messages_for

_OPENAI = "api.openai.com"
_CONNECT_SECONDS = 5.0
_PATIENCE_SECONDS = 5.0
"""The longest Retry-After that a customer is made to wait for."""
_OPENING_TIMEOUTS = 4
"""How many times its timeout a stream may take to its first word, as long as something comes: models think."""
_SENTENCE_ENDS = ".!?؟…"


class EmptyAnswerError(Exception):
    """The model answered without a text, and not for a reason that is known."""


_FAILURES = (ConnectionFailedError, ApiError, EmptyAnswerError, TimeoutError, JSONDecodeError, ValidationError)


@dataclass(frozen=True, slots=True)
class OpenAiConfig:
    """How to reach a model. `timeout` bounds one reply with all its retries, in seconds."""

    api_key: SecretStr
    base_url: str | None
    model: str
    timeout: float
    attempts: int
    circuit_failures: int
    circuit_seconds: float
    businesses: Businesses = field(default_factory=dict)


class OpenAiLlm:
    """Replies by a model over HTTP. Raises Problem 502, 503 or 504, which name the host."""

    def __init__(self, config: OpenAiConfig) -> None:
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        set_on_retry_hooks([])  # the default hook logs the error's text, which may quote a customer
        self._config = config
        connect_s = min(_CONNECT_SECONDS, config.timeout)
        self._client = openai.AsyncOpenAI(
            api_key=config.api_key.get_secret_value(), base_url=config.base_url, max_retries=0
        )
        self._asking = OpenAiHttp(self._client, connect_s)
        self.host = self._client.base_url.host
        dialect = Responses if self.host == _OPENAI else ChatCompletions
        self._dialect: CompletionApi = dialect(self._client, self._asking, config.model)
        self.circuit = CircuitBreaker(self.host, config.circuit_failures, config.circuit_seconds)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()
        await self._asking.close()

    async def reply(self, request: ComposeRequest) -> Reply:
        """Return the whole reply."""
        async with self._guarded(), asyncio.timeout(self._config.timeout):
            part = await self._retried(request)
        reader = CitationReader(request.passages)
        text = reader.feed(part.text) + reader.finish()
        if part.finish_reason == "length":
            text = _whole_sentences(text)
        return self._reply(request, text, reader, part)

    async def stream(self, request: ComposeRequest) -> AsyncGenerator[ReplyDelta | ReplyCompleted | ReplyFailed, None]:
        """Yield the reply as the model writes it. What fails before the first piece is tried again."""
        reader = CitationReader(request.passages)
        said: list[str] = []
        last = CompletionChunk()
        async with self._guarded(), aclosing(self._parts(request)) as parts:
            async for part in parts:
                last = part if part.finish_reason else last
                if text := reader.feed(part.text):
                    said.append(text)
                    yield ReplyDelta(text=text)
            if last.finish_reason is None:
                raise Problem(502, "llm_broken", f"{self.host} broke off in the middle of its answer.")
            if text := reader.finish():
                said.append(text)
                yield ReplyDelta(text=text)
        reply = self._reply(request, "".join(said), reader, last)
        if not said:
            yield ReplyDelta(text=reply.reply)
        yield ReplyCompleted(reply=reply)

    def _messages(self, request: ComposeRequest) -> Messages:
        return messages_for(request, business_of(self._config.businesses, request.tenant), utc_now())

    async def _retried(self, request: ComposeRequest) -> CompletionChunk:
        try:
            return await self._whole(request)
        except Exception as error:  # noqa: BLE001 - raised again below
            failed: Exception | None = error
        async for attempt in self._attempts():  # only now: to prepare for a failure takes half as long as to ask
            with attempt:
                if failed is not None:
                    first, failed = failed, None
                    raise first
                return await self._whole(request)
        raise AssertionError("stamina returns or raises")

    async def _whole(self, request: ComposeRequest) -> CompletionChunk:
        """Ask, and ask again as the server's refusals teach; each teaches one thing, so that this ends."""
        while True:
            try:
                part = await self._dialect.complete(self._messages(request))
            except ApiError as refused:
                request = self._adapted(request, refused)
                continue
            text = self._without_thinking(part)
            if text or part.finish_reason == "content_filter":
                return replace(part, text=text)
            if part.finish_reason != "length" or not self._dialect.parameters.raise_budget():
                raise EmptyAnswerError

    def _without_thinking(self, part: CompletionChunk) -> str:
        thinking = self._dialect.parameters.thinking_filter()
        text = thinking.feed(part.text) + thinking.finish(is_cut=part.finish_reason == "length")
        self._dialect.parameters.note_thinking(thinking)
        return text.strip()

    def _adapted(self, request: ComposeRequest, refused: ApiError) -> ComposeRequest:
        """Return what to ask after a refusal that says what is wrong; else raise it."""
        if self._dialect.parameters.learn(refused):
            return request
        if is_too_long(refused) and (request.context or len(request.passages) > 1):
            kept = max(1, len(request.passages) // 2) if not request.context else len(request.passages)
            return request.model_copy(update={"context": [], "passages": request.passages[:kept]})
        raise refused

    async def _parts(self, request: ComposeRequest) -> AsyncGenerator[CompletionChunk, None]:
        """Yield the parts of the first attempt that yields any; each may take as long as a whole reply."""
        parts, part = await self._opened(request)
        async with aclosing(parts):
            while part is not None:
                yield part
                part = await anext(parts, None)

    async def _opened(
        self, request: ComposeRequest
    ) -> tuple[AsyncGenerator[CompletionChunk, None], CompletionChunk | None]:
        async with asyncio.timeout(_OPENING_TIMEOUTS * self._config.timeout):
            async for attempt in self._attempts():
                with attempt:
                    return await self._first_part(request)
        raise AssertionError("stamina returns or raises")

    async def _first_part(
        self, request: ComposeRequest
    ) -> tuple[AsyncGenerator[CompletionChunk, None], CompletionChunk | None]:
        """Return a stream with its first part that says something, asked for again as refusals teach."""
        while True:
            parts = self._visible(request)
            try:
                part = await anext(parts, None)
            except ApiError as refused:
                request = self._adapted(request, refused)
                continue
            if part is None or part.text or part.finish_reason == "content_filter":
                return parts, part
            await parts.aclose()
            if part.finish_reason != "length" or not self._dialect.parameters.raise_budget():
                raise EmptyAnswerError

    async def _visible(self, request: ComposeRequest) -> AsyncGenerator[CompletionChunk, None]:
        """Yield the parts without the model's reasoning, those that say something and the last."""
        thinking = self._dialect.parameters.thinking_filter()
        async with aclosing(self._dialect.stream(self._messages(request))) as parts:
            while True:
                async with asyncio.timeout(self._config.timeout):
                    part = await anext(parts, None)
                if part is None:
                    return
                text = thinking.feed(part.text)
                if part.finish_reason:
                    text += thinking.finish(is_cut=part.finish_reason == "length")
                    self._dialect.parameters.note_thinking(thinking)
                if text and part.finish_reason:
                    yield CompletionChunk(text)
                if text or part.finish_reason:
                    yield replace(part, text="" if part.finish_reason else text)

    def _attempts(self) -> AsyncIterator[stamina.Attempt]:
        return stamina.retry_context(
            on=_is_worth_another_try,
            attempts=self._config.attempts,
            timeout=self._config.timeout,
            wait_initial=0.2,
            wait_max=2.0,
            wait_jitter=0.3,
        ).__aiter__()

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        """Run a call in the circuit, its errors turned into problems."""
        async with self.circuit.guard():
            try:
                yield
            except _FAILURES as error:
                raise self._problem(error) from error

    def _problem(self, error: Exception) -> Problem:
        match error:
            case TimeoutError():
                return Problem(504, "llm_timeout", f"{self.host} did not answer in time.")
            case ApiError():
                return self._refusal(error)
            case ConnectionFailedError():
                return self._unavailable("cannot be reached, or broke off")
            case EmptyAnswerError():
                return Problem(502, "llm_invalid", f"{self.host} answered without a text.")
        return Problem(502, "llm_invalid", f"{self.host} answered with something that is not of its protocol.")

    def _refusal(self, refused: ApiError) -> Problem:
        match refused.status:
            case 402:
                return Problem(503, "llm_quota_exceeded", f"{self.host} refuses: the account has no credit left.")
            case 429 if _is_out_of_quota(refused):
                return Problem(503, "llm_quota_exceeded", f"{self.host} refuses: the quota of the account is used up.")
            case 429:
                return self._unavailable("is receiving too many requests from this account")
            case 401 | 403:
                return Problem(503, "llm_unauthorized", f"{self.host} does not accept the API key.")
            case status if status >= 500:
                return self._unavailable(f"answered {status}")
        return Problem(502, "llm_refused", f"{self.host} refused the request with {refused.status}.")

    def _unavailable(self, why: str) -> Problem:
        return Problem(503, "llm_unavailable", f"{self.host} {why}.", headers={"Retry-After": "5"})

    def _reply(self, request: ComposeRequest, text: str, reader: CitationReader, part: CompletionChunk) -> Reply:
        language = _language(request, text)
        business = business_of(self._config.businesses, request.tenant)
        return Reply(
            reply=text.strip() or phrase("refused", language, business, request.contact),
            language=language,
            citations=reader.citations(),
            model=part.model or self._config.model,
            provider="openai",
            finish_reason=part.finish_reason or "stop",
            usage=part.usage,
        )


def _language(request: ComposeRequest, text: str) -> Language:
    """Return the prompt's language; where it is uncertain, the one that the model chose."""
    language = detect_in_context(request.prompt, request.context, request.locale)
    return language if not text or is_certain(request.prompt) else detect(text, language)


def _whole_sentences(text: str) -> str:
    """Drop the sentence that a limit cut off, where another stands before it."""
    end = max(text.rfind(mark) for mark in _SENTENCE_ENDS)
    return text[: end + 1] if end > 0 else text


def _is_out_of_quota(refused: ApiError) -> bool:
    return "insufficient_quota" in refused.codes


def _is_worth_another_try(error: Exception) -> bool | float:
    """Decide on one failure; a float is what the host asked to wait, in seconds."""
    if isinstance(error, ApiError):
        passes = error.status >= 500 or (error.status == 429 and not _is_out_of_quota(error))
        return passes and _asked_wait(error.retry_after)
    return isinstance(error, ConnectionFailedError | EmptyAnswerError | JSONDecodeError | ValidationError)


def _asked_wait(given: str) -> bool | float:
    if not given.isdigit():
        return True
    seconds = float(given)
    return seconds <= _PATIENCE_SECONDS and (seconds or True)
