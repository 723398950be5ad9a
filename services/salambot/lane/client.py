"""The asking end of a lane."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Self, cast

from yarl import URL

from salambot.asgi import INTERNAL_HEADER
from salambot.lane import PATH, PROTOCOL, Answer
from salambot.lane.frames import MOST_BYTES, Frames, FramingError, Kind, beheaded, frame, headed

CONNECT_S = 2.0
HANDSHAKE_S = 10.0
"""A service that is started anew answers who connects meanwhile as soon as it is there."""
MOST_AT_ONCE = 256
"""Questions under way on one lane; further ones wait for their turn within their own time."""
_ENOUGH_HEAD = 64 * 1024


class LaneRefusedError(Exception):
    """The other answers HTTP at that address, and does not speak this."""


class LaneBrokenError(Exception):
    """The connection ended, or made no sense, before the answer was whole."""


@dataclass(slots=True)
class _Question:
    """Somebody who waits: for the answer, and before it for the pieces of a streamed one."""

    answer: asyncio.Future[Answer | None]
    pieces: list[bytes] = field(default_factory=list)
    unread: int = 0
    more: asyncio.Event | None = None


class AskingLane(asyncio.Protocol):
    """One lane: any number of tasks ask on it at once."""

    def __init__(self, url: URL, token: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._hello = (
            f"GET {PATH} HTTP/1.1\r\nHost: {url.raw_authority}\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n"
            f"{INTERNAL_HEADER}: {token}\r\n\r\n"
        ).encode("latin-1")
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._head = b""
        self._frames = Frames()
        self._waiting: dict[int, _Question] = {}
        self._numbers = 0
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._transport: asyncio.Transport | None = None
        self.born = self._loop.time()
        self.leaving = False
        """Whether new questions belong on another lane."""

    @classmethod
    async def open(cls, base: URL, token: str) -> Self:
        """Connect. Raises OSError, TimeoutError, LaneRefusedError."""
        tls = ssl.create_default_context() if base.scheme == "https" else None
        async with asyncio.timeout(CONNECT_S):
            _, lane = await asyncio.get_running_loop().create_connection(
                lambda: cls(base, token), base.host or "", base.port or 0, ssl=tls
            )
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await lane.opened()
        except BaseException:
            lane.close()
            raise
        return lane

    async def opened(self) -> None:
        """Wait until the other agreed; raises LaneRefusedError."""
        await self._opened

    async def ask(self, path: str, carrier: Mapping[str, str], body: bytes) -> Answer:
        """Ask and return the whole answer; cancelling it cancels the work of the other.

        Raises LaneBrokenError, FramingError.
        """
        async with self._turns:
            number, question = self._put(path, carrier, body, streamed=False)
            try:
                answer = await question.answer
            finally:
                self._forget(number, question)
        if answer is None:
            raise LaneBrokenError("an answer came in pieces that nobody asked for")
        return answer

    async def stream(self, path: str, carrier: Mapping[str, str], body: bytes) -> AsyncGenerator[bytes | Answer, None]:
        """Yield the lines of the answer, or the one Answer that refuses. Closing it cancels the work of the other."""
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
        """Close the connection; questions under way fail."""
        self.leaving = True
        if self._transport is not None:
            self._transport.close()

    def retire(self) -> None:
        """Close the connection once the questions under way are answered."""
        self.leaving = True
        self._close_if_done()

    def _put(self, path: str, carrier: Mapping[str, str], body: bytes, *, streamed: bool) -> tuple[int, _Question]:
        if self._transport is None or self._transport.is_closing():
            raise LaneBrokenError("the connection is closed")
        self._numbers = number = (self._numbers + 1) & 0xFFFF_FFFF
        asking = frame(Kind.ASK, number, headed([path, streamed, dict(carrier)], body))
        question = _Question(self._loop.create_future(), more=asyncio.Event() if streamed else None)
        self._waiting[number] = question
        self._transport.write(asking)
        return number, question

    def _forget(self, number: int, question: _Question) -> None:
        self._waiting.pop(number, None)
        question.answer.cancel()  # does nothing to an answer that came; leaving has cancelled it already
        if question.answer.cancelled():
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(frame(Kind.CANCEL, number))
        else:
            question.answer.exception()  # whoever left early has not looked at it
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.leaving and not self._waiting and self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the lane."""
        self._transport = cast("asyncio.Transport", transport)  # it is a stream; uvloop's have another base
        self._transport.write(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns that it broke."""
        self.leaving = True
        self._break(exc or ConnectionResetError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        """Hand answers to those who wait."""
        if not self._opened.done() and (data := self._read_head(data)) == b"":
            return
        try:
            for kind, number, content in self._frames.feed(data):
                self._take(kind, number, content)
        except FramingError as error:
            self._break(error)
            self.close()

    def _read_head(self, data: bytes) -> bytes:
        """Read the answer to the upgrade; return what came after it."""
        self._head += data
        head, complete, rest = self._head.partition(b"\r\n\r\n")
        if complete and head.startswith(b"HTTP/1.1 101 "):
            self._opened.set_result(None)
            return rest
        if complete or len(self._head) > _ENOUGH_HEAD:
            self._opened.set_exception(LaneRefusedError(self._head[:12].decode("latin-1")))
            self.close()
        return b""

    def _take(self, kind: int, number: int, content: bytes) -> None:
        if kind == Kind.LEAVE:
            self.retire()
            return
        question = self._waiting.get(number)
        if question is None or question.answer.done():
            return  # the answer to what was cancelled meanwhile
        if kind == Kind.PIECE:
            question.pieces.append(content)
            question.unread += len(content)
            if question.unread > MOST_BYTES:
                question.answer.set_exception(LaneBrokenError("nobody reads what the other streams"))
        elif kind == Kind.ANSWER:
            question.answer.set_result(_answer(content))
        elif kind == Kind.END:
            question.answer.set_result(None)
        if question.more is not None:
            question.more.set()

    def _break(self, error: Exception) -> None:
        if not self._opened.done():
            # Closed in the middle of the handshake: it may be an HTTP server that does not like it.
            self._opened.set_exception(LaneRefusedError(str(error)))
            return
        for question in self._waiting.values():
            if not question.answer.done():
                broken = LaneBrokenError(str(error))
                broken.__cause__ = error
                question.answer.set_exception(broken)
            if question.more is not None:
                question.more.set()


def _answer(content: bytes) -> Answer:
    head, body = beheaded(content)
    match head:
        case [int(status), str() | None as retry_after]:
            return Answer(status, retry_after, body)
    raise FramingError("an answer has another head")
