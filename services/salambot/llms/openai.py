"""OpenAI, and whatever speaks its protocol: bounded retries, a circuit, and problems that name the host."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from json import JSONDecodeError

import openai
import stamina
from pydantic import SecretStr, ValidationError
from stamina.instrumentation import set_on_retry_hooks

from salambot.language import detect
from salambot.llms.asking import Asking, BrokenError, RefusedError
from salambot.llms.circuit import Circuit
from salambot.llms.openai_dialects import ChatCompletions, Dialect, Part, Responses
from salambot.llms.prompting import CitationReader
from salambot.messages import Completed, ComposeRequest, Delta, Failed, Reply
from salambot.problems import Problem

_OPENAI = "api.openai.com"
_CONNECT_S = 5.0
_PATIENCE_S = 5.0
"""The longest Retry-After that a customer is made to wait for."""
_FAILURES = (openai.OpenAIError, BrokenError, RefusedError, TimeoutError, JSONDecodeError, ValidationError)


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


class OpenAiLlm:
    """Replies by a model over HTTP. Raises Problem 502, 503 or 504, which name the host."""

    def __init__(self, config: OpenAiConfig) -> None:
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        set_on_retry_hooks([])  # the default hook logs the error's text, which may quote a customer
        self._config = config
        connect_s = min(_CONNECT_S, config.timeout)
        self._client = openai.AsyncOpenAI(
            api_key=config.api_key.get_secret_value(),
            base_url=config.base_url,
            max_retries=0,
            timeout=openai.Timeout(config.timeout, connect=connect_s),
            http_client=openai.DefaultAioHttpClient(),
        )
        self._asking = Asking(self._client, connect_s)
        self.host = self._client.base_url.host
        dialect = Responses if self.host == _OPENAI else ChatCompletions
        self._dialect: Dialect = dialect(self._client, self._asking, config.model)
        self.circuit = Circuit(self.host, config.circuit_failures, config.circuit_seconds)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()
        await self._asking.close()

    async def reply(self, request: ComposeRequest) -> Reply:
        """Return the whole reply."""
        async with self._guarded(), asyncio.timeout(self._config.timeout):
            part = await self._retried(request)
        reader = CitationReader(request.passages)
        return self._reply(request, reader.feed(part.text) + reader.finish(), reader, part)

    async def stream(self, request: ComposeRequest) -> AsyncGenerator[Delta | Completed | Failed, None]:
        """Yield the reply as the model writes it. What fails before the first piece is tried again."""
        reader = CitationReader(request.passages)
        said: list[str] = []
        last = Part()
        async with self._guarded(), aclosing(self._parts(request)) as parts:
            async for part in parts:
                last = part if part.finish_reason else last
                if text := reader.feed(part.text):
                    said.append(text)
                    yield Delta(text=text)
            if last.finish_reason is None:
                raise Problem(502, "llm_broken", f"{self.host} broke off in the middle of its answer.")
            if text := reader.finish():
                said.append(text)
                yield Delta(text=text)
        yield Completed(reply=self._reply(request, "".join(said), reader, last))

    async def _retried(self, request: ComposeRequest) -> Part:
        language = detect(request.prompt, request.locale)
        try:
            return await self._dialect.whole(request, language)
        except Exception as error:  # noqa: BLE001 - raised again below
            failed: Exception | None = error
        async for attempt in self._attempts():  # only now: to prepare for a failure takes half as long as to ask
            with attempt:
                if failed is not None:
                    first, failed = failed, None
                    raise first
                return await self._dialect.whole(request, language)
        raise AssertionError("stamina returns or raises")

    async def _parts(self, request: ComposeRequest) -> AsyncGenerator[Part, None]:
        """Yield the parts of the first attempt that yields any; each may take as long as a whole reply."""
        parts, part = await self._opened(request)
        async with aclosing(parts):
            while part is not None:
                yield part
                async with asyncio.timeout(self._config.timeout):
                    part = await anext(parts, None)

    async def _opened(self, request: ComposeRequest) -> tuple[AsyncGenerator[Part, None], Part | None]:
        async with asyncio.timeout(self._config.timeout):
            async for attempt in self._attempts():
                with attempt:
                    parts = self._dialect.parts(request, detect(request.prompt, request.locale))
                    return parts, await anext(parts, None)
        raise AssertionError("stamina returns or raises")

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
        """Run a call in the circuit, its errors turned into problems; OpenTelemetry's own package makes its span."""
        async with self.circuit.closed():
            try:
                yield
            except _FAILURES as error:
                raise self._problem(error) from error

    def _problem(self, error: Exception) -> Problem:
        match error:
            case TimeoutError() | openai.APITimeoutError() if _ran_out_of_time(error):
                return Problem(504, "llm_timeout", f"{self.host} did not answer in time.")
            case openai.APIStatusError():
                return self._refusal(RefusedError.by_sdk(error))
            case RefusedError():
                return self._refusal(error)
            case openai.APIConnectionError() | BrokenError():
                return self._unavailable("cannot be reached, or broke off")
        return Problem(502, "llm_invalid", f"{self.host} answered with something that is not of its protocol.")

    def _refusal(self, refused: RefusedError) -> Problem:
        match refused.status:
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

    def _reply(self, request: ComposeRequest, text: str, reader: CitationReader, part: Part) -> Reply:
        if not text.strip() and part.finish_reason != "content_filter":
            raise Problem(502, "llm_invalid", f"{self.host} answered without a text.")
        return Reply(
            reply=text.strip(),
            language=detect(request.prompt, request.locale),
            citations=reader.citations(),
            model=part.model or self._config.model,
            provider="openai",
            finish_reason=part.finish_reason or "stop",
            usage=part.usage,
        )


def _ran_out_of_time(error: BaseException) -> bool:
    """The SDK's aiohttp transport calls a dropped connection a timeout too: look at what it was at first."""
    while not isinstance(error, TimeoutError):
        if error.__cause__ is None:
            return False
        error = error.__cause__
    return True


def _is_out_of_quota(refused: RefusedError) -> bool:
    return "insufficient_quota" in refused.codes


def _is_worth_another_try(error: Exception) -> bool | float:
    """Decide on one failure; a float is what the host asked to wait, in seconds."""
    if isinstance(error, openai.APIStatusError):
        error = RefusedError.by_sdk(error)
    if isinstance(error, RefusedError):
        passes = error.status >= 500 or (error.status == 429 and not _is_out_of_quota(error))
        return passes and _asked_wait(error.retry_after)
    return isinstance(error, openai.APIConnectionError | BrokenError | JSONDecodeError | ValidationError)


def _asked_wait(given: str) -> bool | float:
    if not given.isdigit():
        return True
    seconds = float(given)
    return seconds <= _PATIENCE_S and (seconds or True)
