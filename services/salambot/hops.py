"""Calls from one service to the next: pooled, bounded, traced; what fails becomes a problem that names the other."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import uniform
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import orjson
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from yarl import URL

from salambot import tracing
from salambot.asgi import INTERNAL_HEADER
from salambot.health import State
from salambot.messages import Completed, Failed, StreamEvent
from salambot.problems import Problem
from salambot.signatures import active

NDJSON = "application/x-ndjson"

_Answer = TypeVar("_Answer", bound=BaseModel)
_events: TypeAdapter[StreamEvent] = TypeAdapter(StreamEvent)
_PASSED_ON = frozenset({502, 503, 504})


class Hop:
    """One service as another sees it, with a pool of connections: use it as an async context manager."""

    def __init__(self, name: str, base_url: str, internal_token: SecretStr) -> None:
        self.name = name
        self._base = URL(base_url.rstrip("/"))
        self._token = internal_token
        self._opened: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the pool; calls under way fail."""
        if self._opened is not None:
            await self._opened.close()

    async def post(self, path: str, model: BaseModel, response_model: type[_Answer], timeout: float) -> _Answer:  # noqa: ASYNC109 - becomes aiohttp's own timeout
        """Send `model`, return the answer within `timeout` seconds. Raises Problem 502, 503, 504."""
        async with self._call(path, model, aiohttp.ClientTimeout(timeout, sock_connect=2), {}) as response:
            content = await response.read()
        try:
            return response_model.model_validate_json(content)
        except ValidationError as error:
            raise self._nonsense() from error

    async def stream(self, path: str, model: BaseModel, timeout: float) -> AsyncGenerator[StreamEvent, None]:  # noqa: ASYNC109 - as above
        """Send `model`, yield events up to Completed or Failed. Closing the iterator cancels the work of the other.

        `timeout` is in seconds, for the whole stream. Raises Problem 502 when the stream breaks off.
        """
        limits = aiohttp.ClientTimeout(timeout, sock_connect=2)
        async with self._call(path, model, limits, {"Accept": NDJSON}) as response:
            async for line in response.content:
                try:
                    event = _events.validate_json(line)
                except ValidationError as error:
                    raise self._nonsense() from error
                yield event
                if isinstance(event, Completed | Failed):
                    return
        raise Problem(502, "upstream_broken", f"{self.name} broke off in the middle of its answer.")

    async def check(self) -> State:
        """Ask the other whether it can work; raises Problem when it does not answer or cannot."""
        async with self._translated(), self._session().get(self._url("/health/ready")) as response:
            await self._refuse_errors(response)
            found = orjson.loads(await response.read())
        return "degraded" if found["status"] == "degraded" else "ok"

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            # Servers keep idle connections for 75 s: ours go earlier, never to be written into while they close.
            connector = aiohttp.TCPConnector(limit=256, keepalive_timeout=60, ttl_dns_cache=10)
            self._opened = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    INTERNAL_HEADER: active(self._token.get_secret_value())[0],
                    "Content-Type": "application/json",
                },
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
                read_bufsize=1024 * 1024,
                timeout=aiohttp.ClientTimeout(5),
            )
        return self._opened

    def _url(self, path: str) -> URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls.setdefault(path, self._base.join(URL(path)))
        return url

    @asynccontextmanager
    async def _call(
        self, path: str, model: BaseModel, limits: aiohttp.ClientTimeout, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        body = model.model_dump_json().encode()
        sent = {**tracing.propagate(), **headers}
        async with self._translated():
            try:
                response = await self._session().post(self._url(path), data=body, headers=sent, timeout=limits)
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(uniform(0.02, 0.1))  # noqa: S311 - jitter
                response = await self._session().post(self._url(path), data=body, headers=sent, timeout=limits)
            async with response:
                await self._refuse_errors(response)
                yield response

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise Problem(504, "upstream_timeout", f"{self.name} did not answer in time.") from error
        except aiohttp.ClientConnectorError as error:
            detail = f"{self.name} accepts no connection."
            raise Problem(503, "upstream_unavailable", detail, headers={"Retry-After": "1"}) from error
        except (aiohttp.ClientError, ValueError) as error:  # ValueError: a line longer than the buffer
            raise Problem(502, "upstream_broken", f"{self.name} broke off in the middle of its answer.") from error

    async def _refuse_errors(self, response: aiohttp.ClientResponse) -> None:
        if response.status < 400:
            return
        content = await response.content.read(64 * 1024)
        raise passed_on(self.name, response.status, content, retry_after=response.headers.get("Retry-After"))

    def _nonsense(self) -> Problem:
        return Problem(502, "upstream_invalid", f"{self.name} answered with something that is not of its contract.")


def failure(name: str, event: Failed) -> Problem:
    """Turn the last line of a broken stream into the problem to answer with."""
    status = event.problem.get("status")
    return passed_on(name, status if isinstance(status, int) else 500, orjson.dumps(event.problem))


def passed_on(name: str, status: int, content: bytes, *, retry_after: str | None = None) -> Problem:
    """Turn another service's error into ours: its 502, 503 and 504 keep code and detail, all else becomes a 502."""
    headers = {"Retry-After": retry_after} if retry_after else None
    if status in _PASSED_ON:
        try:
            problem = orjson.loads(content)
        except orjson.JSONDecodeError:
            problem = None
        if isinstance(problem, dict) and isinstance(problem.get("code"), str):
            return Problem(status, problem["code"], str(problem.get("detail", "")), headers=headers)
        return Problem(status, "upstream_failed", f"{name} answered {status}.", headers=headers)
    if status == 429:
        return Problem(503, "upstream_busy", f"{name} is too busy.", headers=headers)
    return Problem(502, "upstream_failed", f"{name} answered {status}.")
