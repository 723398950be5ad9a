"""The client side of an RPC connection."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Self, cast

from yarl import URL

from salambot.http.middleware import INTERNAL_HEADER
from salambot.rpc import PATH, PROTOCOL, RpcResponse
from salambot.rpc.frames import MAX_BYTES, FrameReader, FramingError, Kind, decode_message, encode_frame, encode_message

CONNECT_SECONDS = 2.0
HANDSHAKE_SECONDS = 10.0
"""A restarting service answers waiting connections as soon as it is up."""
MAX_AT_ONCE = 256
"""Concurrent requests on one connection; further ones wait within their own timeout."""
_ENOUGH_HEAD = 64 * 1024
_NOBODY_BEHIND = frozenset({"502", "503", "504"})
"""What a balancer says that reaches no server: nobody knows which protocol one would speak."""


class UpgradeRefusedError(Exception):
    """The server answers HTTP at that address but does not speak this protocol."""


class ConnectionLostError(Exception):
    """The connection ended or broke the protocol before the response was complete."""


@dataclass(slots=True)
class _Question:
    """A pending request: its response, and the pieces of a streamed one before that."""

    answer: asyncio.Future[RpcResponse | None]
    pieces: list[bytes] = field(default_factory=list)
    unread: int = 0
    more: asyncio.Event | None = None


class RpcClientConnection(asyncio.Protocol):
    """One connection, shared by any number of tasks."""

    def __init__(self, url: URL, token: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._hello = (
            f"GET {PATH} HTTP/1.1\r\nHost: {url.raw_authority}\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n"
            f"{INTERNAL_HEADER}: {token}\r\n\r\n"
        ).encode("latin-1")
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._head = b""
        self._frames = FrameReader()
        self._waiting: dict[int, _Question] = {}
        self._numbers = 0
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)
        self._transport: asyncio.Transport | None = None
        self.born = self._loop.time()
        self.leaving = False
        """True if new requests belong on another connection."""

    @classmethod
    async def open(cls, base: URL, token: str) -> Self:
        """Connect. Raises OSError, TimeoutError, UpgradeRefusedError."""
        tls = ssl.create_default_context() if base.scheme == "https" else None
        async with asyncio.timeout(CONNECT_SECONDS):
            _, lane = await asyncio.get_running_loop().create_connection(
                lambda: cls(base, token), base.host or "", base.port or 0, ssl=tls
            )
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await lane.wait_ready()
        except BaseException:
            lane.close()
            raise
        return lane

    async def wait_ready(self) -> None:
        """Wait until the other agreed; raises UpgradeRefusedError."""
        await self._opened

    async def ask(self, path: str, carrier: Mapping[str, str], body: bytes) -> RpcResponse:
        """Ask and return the whole answer; cancelling it cancels the work of the other.

        Raises ConnectionLostError, FramingError.
        """
        async with self._turns:
            number, question = self._put(path, carrier, body, streamed=False)
            try:
                answer = await question.answer
            finally:
                self._forget(number, question)
        if answer is None:
            raise ConnectionLostError("an answer came in pieces that nobody asked for")
        return answer

    async def stream(
        self, path: str, carrier: Mapping[str, str], body: bytes
    ) -> AsyncGenerator[bytes | RpcResponse, None]:
        """Yield the lines of the response, or one RpcResponse that refuses. Closing it cancels the remote work."""
        async with self._turns:
            number, question = self._put(path, carrier, body, streamed=True)
            try:
                while True:
                    while question.pieces:
                        pieces, question.pieces, question.unread = question.pieces, [], 0
                        for piece in pieces:
                            yield piece
                    if question.answer.done() and not question.pieces:
                        refused = question.answer.result()
                        if refused is not None:
                            yield refused
                        return
                    if question.more is not None:
                        await question.more.wait()
                        question.more.clear()
            finally:
                self._forget(number, question)

    def close(self) -> None:
        """Close the connection; pending requests fail."""
        self.leaving = True
        if self._transport is not None:
            self._transport.close()

    def drain(self) -> None:
        """Close the connection once the questions under way are answered."""
        self.leaving = True
        self._close_if_done()

    def _put(self, path: str, carrier: Mapping[str, str], body: bytes, *, streamed: bool) -> tuple[int, _Question]:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionLostError("the connection is closed")
        self._numbers = number = (self._numbers + 1) & 0xFFFF_FFFF
        asking = encode_frame(Kind.ASK, number, encode_message([path, streamed, dict(carrier)], body))
        question = _Question(self._loop.create_future(), more=asyncio.Event() if streamed else None)
        self._waiting[number] = question
        self._transport.write(asking)
        return number, question

    def _forget(self, number: int, question: _Question) -> None:
        self._waiting.pop(number, None)
        question.answer.cancel()  # does nothing to an answer that came; leaving has cancelled it already
        if question.answer.cancelled():
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(encode_frame(Kind.CANCEL, number))
        else:
            question.answer.exception()  # whoever left early has not looked at it
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.leaving and not self._waiting and self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Request the upgrade."""
        self._transport = cast("asyncio.Transport", transport)  # it is a stream; uvloop's have another base
        self._transport.write(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the pending requests."""
        self.leaving = True
        self._break(exc or ConnectionResetError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        """Dispatch responses to their requests."""
        if not self._opened.done() and (data := self._read_head(data)) == b"":
            return
        try:
            for kind, number, content in self._frames.feed(data):
                self._take(kind, number, content)
        except FramingError as error:
            self._break(error)
            self.close()

    def _read_head(self, data: bytes) -> bytes:
        """Read the response to the upgrade; return the bytes after it."""
        self._head += data
        head, complete, rest = self._head.partition(b"\r\n\r\n")
        if complete and head.startswith(b"HTTP/1.1 101 "):
            self._opened.set_result(None)
            return rest
        if complete or len(self._head) > _ENOUGH_HEAD:
            said = self._head[:12].decode("latin-1")
            refused = ConnectionRefusedError if said[9:] in _NOBODY_BEHIND else UpgradeRefusedError
            self._opened.set_exception(refused(said))
            self.close()
        return b""

    def _take(self, kind: int, number: int, content: bytes) -> None:
        if kind == Kind.LEAVE:
            self.drain()
            return
        question = self._waiting.get(number)
        if question is None or question.answer.done():
            return  # the answer to what was cancelled meanwhile
        if kind == Kind.PIECE:
            question.pieces.append(content)
            question.unread += len(content)
            if question.unread > MAX_BYTES:
                question.answer.set_exception(ConnectionLostError("nobody reads what the other streams"))
        elif kind == Kind.ANSWER:
            question.answer.set_result(_answer(content))
        elif kind == Kind.END:
            question.answer.set_result(None)
        if question.more is not None:
            question.more.set()

    def _break(self, error: Exception) -> None:
        if not self._opened.done():
            # Closed in the middle of the handshake: it may be an HTTP server that does not like it.
            self._opened.set_exception(UpgradeRefusedError(str(error)))
            return
        for question in self._waiting.values():
            if not question.answer.done():
                broken = ConnectionLostError(str(error))
                broken.__cause__ = error
                question.answer.set_exception(broken)
            if question.more is not None:
                question.more.set()


def _answer(content: bytes) -> RpcResponse:
    head, body = decode_message(content)
    match head:
        case [int(status), str() | None as retry_after]:
            return RpcResponse(status, retry_after, body)
    raise FramingError("an answer has another head")
