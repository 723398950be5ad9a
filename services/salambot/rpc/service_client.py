"""Calls from one service to the next: on a lane, by HTTP where there is none, directly within a process.

They are bounded and traced. What fails becomes a problem that names the other.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from random import uniform
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import orjson
from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from yarl import URL

from salambot.core import tracing
from salambot.core.health import State
from salambot.core.problems import Problem
from salambot.core.schemas import Message, ReplyCompleted, ReplyFailed, StreamEvent
from salambot.core.signatures import active_values
from salambot.http.middleware import INTERNAL_HEADER
from salambot.rpc import RpcResponse
from salambot.rpc.client import CONNECT_SECONDS, ConnectionLostError, RpcClientConnection, UpgradeRefusedError
from salambot.rpc.frames import FramingError
from salambot.rpc.in_process import LocalService, find_local

NDJSON = "application/x-ndjson"

_Answer = TypeVar("_Answer", bound=BaseModel)
_events: TypeAdapter[StreamEvent] = TypeAdapter(StreamEvent)
_PASSED_ON = frozenset({502, 503, 504})
_FAULTS = (OSError, aiohttp.ClientError, ValueError, ConnectionLostError, FramingError)
"""OSError holds TimeoutError; ValueError is aiohttp's for a line longer than its buffer."""
_LANE_LASTS_SECONDS = 60.0
"""Then a new one is opened, so that replicas behind one name each get their share."""
_TRIES = 3
_MAX_ADMISSIONS = 30
"""A replica that stops may be the one that a balancer chooses, again and again: for two seconds, on average."""
_ASK_AGAIN_SECONDS = 60.0
"""How long a service that speaks HTTP only is believed to go on so."""


class ServiceClient:
    """One service as another sees it, with its connections: use it as an async context manager."""

    def __init__(self, name: str, base_url: str, internal_token: SecretStr) -> None:
        self.name = name
        self._base = URL(base_url.rstrip("/"))
        self._address = (self._base.host or "", self._base.port or 80)
        self._token = internal_token
        self._opened: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}
        self._called: dict[str, AttributeValue] = {
            "http.request.method": "POST",
            "server.address": self._address[0],
            "server.port": self._address[1],
            "salambot.peer": name,
        }
        self._lane: RpcClientConnection | None = None
        self._opening = asyncio.Lock()
        self._by_http_until = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; calls under way fail."""
        if self._lane is not None:
            self._lane.close()
        if self._opened is not None:
            await self._opened.close()

    async def post(self, path: str, model: Message, response_model: type[_Answer], timeout: float) -> _Answer:  # noqa: ASYNC109 - becomes asyncio's own timeout
        """Send `model`, return the answer within `timeout` seconds. Raises Problem 502, 503, 504."""
        if (near := find_local(self._address)) is not None:
            found = await self._post_near(near, path, model, timeout)
            if isinstance(found, response_model):
                return found
            if not isinstance(found, bytes):
                raise self._nonsense()
            content = found
        else:
            content = await self.ask(path, model.model_dump_json().encode(), timeout)
        try:
            return response_model.model_validate_json(content)
        except ValidationError as error:
            raise self._nonsense() from error

    async def ask(self, path: str, body: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - as above
        """Send JSON, return JSON within `timeout` seconds. Raises Problem 502, 503, 504."""
        with self._calling(path) as span:
            try:
                async with asyncio.timeout(timeout):
                    lane = await self._lane_or_http()
                    if lane is None:
                        async with self._call(path, body, {}, span) as response:
                            return await response.read()
                    answer = await lane.ask(path, tracing.inject_context(span), body)
            except _FAULTS as error:
                raise self._fault(error) from error
            return self._accepted(answer)

    async def _post_near(
        self,
        near: LocalService,
        path: str,
        model: Message,
        timeout: float,  # noqa: ASYNC109 - as above
    ) -> Message | bytes:
        with self._calling(path) as span:
            try:
                async with asyncio.timeout(timeout):
                    answer = await near.post(path, span, model)
            except TimeoutError as error:
                raise self._fault(error) from error
            return self._accepted(answer) if isinstance(answer, RpcResponse) else answer

    @contextmanager
    def _calling(self, path: str) -> Iterator[Span]:
        """Make the span of a call; it is nobody's parent here, so that a stream may be read in any task."""
        span = tracing.start_span(f"POST {path}", SpanKind.CLIENT, self._called)
        try:
            yield span
        except Problem as problem:
            tracing.record_error(span, problem.code)
            raise
        finally:
            span.end()

    async def stream(self, path: str, model: BaseModel, timeout: float) -> AsyncGenerator[StreamEvent, None]:  # noqa: ASYNC109 - as above
        """Send `model`, yield events up to Completed or Failed. Closing the iterator cancels the work of the other.

        `timeout` is in seconds, for the whole stream. Raises Problem 502 when the stream breaks off.
        """
        body = model.model_dump_json().encode()
        deadline = asyncio.get_running_loop().time() + timeout
        with self._calling(path) as span:
            async with aclosing(self._events(path, body, deadline, span)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, ReplyCompleted | ReplyFailed):
                        return
            raise Problem(502, "upstream_broken", f"{self.name} broke off in the middle of its answer.")

    async def _events(self, path: str, body: bytes, deadline: float, span: Span) -> AsyncGenerator[StreamEvent, None]:
        async with aclosing(self._lines(path, body, deadline, span)) as lines:
            async for line in lines:
                try:
                    event = _events.validate_json(line)
                except ValidationError as error:
                    raise self._nonsense() from error
                yield event

    async def _lines(self, path: str, body: bytes, deadline: float, span: Span) -> AsyncGenerator[bytes, None]:
        # The time is limited around each step, not around the whole: a timeout must not span a yield.
        try:
            async with asyncio.timeout_at(deadline):
                lane = await self._lane_or_http()
            lines = (
                self._lines_by_http(path, body, span) if lane is None else self._lines_by_lane(lane, path, body, span)
            )
            async with aclosing(lines):
                while True:
                    async with asyncio.timeout_at(deadline):
                        line = await anext(lines, None)
                    if line is None:
                        return
                    yield line
        except _FAULTS as error:
            raise self._fault(error) from error

    async def _lines_by_lane(
        self, lane: RpcClientConnection, path: str, body: bytes, span: Span
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(lane.stream(path, tracing.inject_context(span), body)) as pieces:
            async for piece in pieces:
                yield self._accepted(piece) if isinstance(piece, RpcResponse) else piece

    async def _lines_by_http(self, path: str, body: bytes, span: Span) -> AsyncGenerator[bytes, None]:
        async with self._call(path, body, {"Accept": NDJSON}, span) as response:
            async for line in response.content:
                yield line

    def _accepted(self, answer: RpcResponse) -> bytes:
        if answer.status >= 400:
            raise as_own_problem(self.name, answer.status, answer.content, retry_after=answer.retry_after)
        return answer.content

    async def check(self) -> State:
        """Ask the other whether it can work; raises Problem when it does not answer or cannot."""
        try:
            async with self._session().get(self._url("/health/ready")) as response:
                await self._refuse_errors(response)
                found = orjson.loads(await response.read())
        except _FAULTS as error:
            raise self._fault(error) from error
        return "degraded" if found["status"] == "degraded" else "ok"

    async def _lane_or_http(self) -> RpcClientConnection | None:
        """Return the lane to ask on, None where the other speaks HTTP only. Raises OSError, TimeoutError."""
        now = asyncio.get_running_loop().time()
        if self._usable(now) or now < self._by_http_until:
            return self._lane
        async with self._opening:
            if self._usable(now):
                return self._lane
            if self._lane is not None:
                self._lane.drain()
                self._lane = None
            try:
                self._lane = await self._open_lane()
            except UpgradeRefusedError:
                self._by_http_until = now + _ASK_AGAIN_SECONDS
        return self._lane

    def _usable(self, now: float) -> bool:
        return self._lane is not None and not self._lane.leaving and now - self._lane.born < _LANE_LASTS_SECONDS

    async def _open_lane(self) -> RpcClientConnection:
        token = active_values(self._token.get_secret_value())[0]
        failed = 0
        for _ in range(_MAX_ADMISSIONS):
            try:
                lane = await RpcClientConnection.open(self._base, token)
            except OSError:
                failed += 1
                if failed == _TRIES:
                    raise
            else:
                if not lane.leaving:  # else a service took us in that stops; the next one listens at the same address
                    return lane
            await asyncio.sleep(uniform(0.02, 0.1))  # noqa: S311 - jitter
        raise ConnectionRefusedError(f"{self.name} stops")

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            # Servers keep idle connections for 75 s: ours go earlier, never to be written into while they close.
            connector = aiohttp.TCPConnector(limit=256, keepalive_timeout=60, ttl_dns_cache=10)
            self._opened = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    INTERNAL_HEADER: active_values(self._token.get_secret_value())[0],
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
        self, path: str, body: bytes, headers: Mapping[str, str], span: Span
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        sent = {**tracing.propagate(span), **headers}
        limits = aiohttp.ClientTimeout(None, sock_connect=CONNECT_SECONDS)  # the caller limits the whole
        try:
            response = await self._session().post(self._url(path), data=body, headers=sent, timeout=limits)
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(uniform(0.02, 0.1))  # noqa: S311 - jitter
            response = await self._session().post(self._url(path), data=body, headers=sent, timeout=limits)
        async with response:
            await self._refuse_errors(response)
            yield response

    def _fault(self, error: Exception) -> Problem:
        if isinstance(error, TimeoutError):
            return Problem(504, "upstream_timeout", f"{self.name} did not answer in time.")
        if isinstance(error, OSError) and not isinstance(error, aiohttp.ServerDisconnectedError):
            detail = f"{self.name} accepts no connection."
            return Problem(503, "upstream_unavailable", detail, headers={"Retry-After": "1"})
        return Problem(502, "upstream_broken", f"{self.name} broke off in the middle of its answer.")

    async def _refuse_errors(self, response: aiohttp.ClientResponse) -> None:
        if response.status < 400:
            return
        content = await response.content.read(64 * 1024)
        raise as_own_problem(self.name, response.status, content, retry_after=response.headers.get("Retry-After"))

    def _nonsense(self) -> Problem:
        return Problem(502, "upstream_invalid", f"{self.name} answered with something that is not of its contract.")


def stream_problem(name: str, event: ReplyFailed) -> Problem:
    """Turn the last line of a broken stream into the problem to answer with."""
    status = event.problem.get("status")
    return as_own_problem(name, status if isinstance(status, int) else 500, orjson.dumps(event.problem))


def as_own_problem(name: str, status: int, content: bytes, *, retry_after: str | None = None) -> Problem:
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
