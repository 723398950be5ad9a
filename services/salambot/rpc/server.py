"""The server side of an RPC connection, behind the HTTP port of its service."""

import asyncio
import hmac
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol, TypeVar, cast, runtime_checkable

from fastapi import FastAPI
from opentelemetry.trace import Span
from pydantic import SecretStr
from uvicorn.server import ServerState

from salambot.core import tracing
from salambot.core.problems import Problem, crashed
from salambot.core.process_services import service_scope
from salambot.core.schemas import Message
from salambot.core.signatures import active_values
from salambot.http.middleware import INTERNAL_HEADER, record_request
from salambot.http.protocol import TimeoutHttpProtocol, is_listener_stopping
from salambot.rpc import PATH, PROTOCOL, RpcResponse
from salambot.rpc.frames import FrameReader, FramingError, Kind, decode_message, encode_frame, encode_message

_Done = TypeVar("_Done")
MAX_AT_ONCE = 512
"""Concurrent requests on one connection; further ones get 503."""


class Endpoint(Protocol):
    """An internal endpoint: JSON in, JSON out, whole or line by line. Both raise Problem."""

    async def call(self, body: bytes, /) -> bytes:
        """Return the answer."""
        ...

    def stream(self, body: bytes, /) -> AsyncGenerator[bytes, None]:
        """Yield the lines of the response. A failure before the first is raised, a later one is the last line."""
        ...


@runtime_checkable
class TypedEndpoint(Protocol):
    """An internal endpoint that a caller in this process may pass a message object to. Messages are immutable."""

    @property
    def request_type(self) -> type[Message]:
        """The request model."""
        ...

    async def reply(self, message: Message, /) -> Message:
        """Return the reply to a message; raises Problem."""
        ...


class EndpointRegistry:
    """The internal endpoints of one service, and the check of its callers' token."""

    def __init__(self, service: str, token: SecretStr) -> None:
        self.service = service
        self._tokens = [part.encode() for part in active_values(token.get_secret_value())]
        self.by_path: dict[str, Endpoint] = {}
        self.direct: dict[str, TypedEndpoint] = {}

    def register(self, path: str, exchange: Endpoint) -> None:
        """Register an endpoint."""
        self.by_path[path] = exchange
        if isinstance(exchange, TypedEndpoint):
            self.direct[path] = exchange

    def accepts_token(self, token: bytes) -> bool:
        """Return whether a token is one of the environment's internal tokens."""
        return any(hmac.compare_digest(token, known) for known in self._tokens)

    async def dispatch(
        self, path: str, trace: AbstractContextManager[Span], work: Callable[[Endpoint], Awaitable[_Done]]
    ) -> _Done | RpcResponse:
        """Handle one request inside a span and record its metrics. Returns the result, or the error response."""
        started = time.perf_counter()
        status = 499  # as of a request whose caller left
        exchange = self.by_path.get(path)
        with service_scope(self.service), trace as span:
            try:
                if exchange is None:
                    raise Problem(404, "not_found", "Not Found.")  # noqa: TRY301 - answered as every problem
                done = await work(exchange)
                status = 200
                return done  # noqa: TRY300 - its request is recorded below either way
            except Problem as problem:
                status = problem.status
                return _refusal(problem)
            except Exception as error:  # noqa: BLE001 - the last resort: recorded, and answered as a problem
                crash = crashed(error)
                status = crash.status
                return _refusal(crash)
            finally:
                route = path if exchange is not None else "unmatched"
                record_request(self.service, "POST", route, status, started, span)


def _refusal(problem: Problem) -> RpcResponse:
    retry_after = (problem.headers or {}).get("Retry-After")
    return RpcResponse(problem.status, retry_after, bytes(problem.response().body))


class UpgradingHttpProtocol(TimeoutHttpProtocol):
    """HTTP/1.1 that becomes a lane where the other asks for it and may; anyone else gets the answer of that path."""

    def _should_upgrade(self) -> bool:
        if self._get_upgrade() != PROTOCOL.encode() or self.url != PATH.encode():
            return super()._should_upgrade()
        exchanges = _exchanges_of(self.app)
        token = dict(self.headers).get(INTERNAL_HEADER.lower().encode(), b"")
        return exchanges is not None and exchanges.accepts_token(token)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over: uvicorn's only upgrade is WebSocket, and none is served here."""
        exchanges = _exchanges_of(self.app)
        if exchanges is None:  # pragma: no cover - _should_upgrade looked
            return
        self.detach()
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: %b\r\n\r\n" % PROTOCOL.encode()
        )
        lane = RpcServerConnection(exchanges, self.server_state)
        lane.connection_made(self.transport)
        self.transport.set_protocol(lane)


def _exchanges_of(app: object) -> EndpointRegistry | None:
    found = getattr(app.state, "exchanges", None) if isinstance(app, FastAPI) else None
    return found if isinstance(found, EndpointRegistry) else None


class RpcServerConnection(asyncio.Protocol):
    """One lane. Every question is a task; it ends when its asker cancels it or leaves."""

    def __init__(self, exchanges: EndpointRegistry, server: ServerState) -> None:
        self._exchanges = exchanges
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._frames = FrameReader()
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count as a connection of the server, which tells it to shut down."""
        self._transport = cast("asyncio.Transport", transport)  # it is a stream; uvloop's have another base
        self._server.connections.add(self)  # type: ignore[arg-type] # it calls shutdown() only
        if is_listener_stopping(self._server):
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature of asyncio
        """The caller has left."""
        self._server.connections.discard(self)
        self._writable.set()
        for task in self._under_way.values():
            task.cancel()

    def pause_writing(self) -> None:
        """The other side does not keep up."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The other side has caught up."""
        self._writable.set()

    def shutdown(self) -> None:
        """Ask the caller to leave, who closes once it has its answers.

        We never close first: a question may be on its way, and its caller could not know if we began with it. The
        listener's grace period bounds the wait.
        """
        self._send(Kind.LEAVE, 0)

    def data_received(self, data: bytes) -> None:
        """Begin and cancel work."""
        try:
            for kind, number, content in self._frames.feed(data):
                if kind == Kind.ASK:
                    self._begin(number, content)
                elif kind == Kind.CANCEL and (task := self._under_way.get(number)):
                    task.cancel()
        except FramingError:
            if self._transport is not None:
                self._transport.abort()

    def _begin(self, number: int, content: bytes) -> None:
        if len(self._under_way) >= MAX_AT_ONCE:
            self._send(Kind.ANSWER, number, encode_message([503, "1"], b"{}"))
            return
        head, body = decode_message(content)
        if number in self._under_way:
            raise FramingError("a number is under way")
        match head:
            case [str(path), bool(streamed), dict(carrier)] if all(isinstance(one, str) for one in carrier.values()):
                task = self._loop.create_task(self._serve(number, path, carrier, body, streamed=streamed))
            case _:
                raise FramingError("a question has another head")
        self._under_way[number] = task
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _serve(self, number: int, path: str, carrier: Mapping[str, str], body: bytes, *, streamed: bool) -> None:
        try:
            work = partial(self._stream if streamed else self._answer, number, body)
            refused = await self._exchanges.dispatch(path, tracing.request_trace(carrier, public=False), work)
            if isinstance(refused, RpcResponse):
                head = encode_message([refused.status, refused.retry_after], refused.content)
                self._send(Kind.ANSWER, number, head)
        finally:
            self._under_way.pop(number, None)

    async def _answer(self, number: int, body: bytes, exchange: Endpoint) -> None:
        self._send(Kind.ANSWER, number, b"[200,null]\n" + await exchange.call(body))

    async def _stream(self, number: int, body: bytes, exchange: Endpoint) -> None:
        lines = exchange.stream(body)
        try:
            async for line in lines:
                self._send(Kind.PIECE, number, line)
                await self._writable.wait()
        finally:
            await lines.aclose()
        self._send(Kind.END, number)

    def _send(self, kind: Kind, number: int, content: bytes = b"") -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode_frame(kind, number, content))
