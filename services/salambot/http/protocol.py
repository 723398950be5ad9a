"""HTTP/1.1 as uvicorn reads it, with what it leaves open: bounds on time and bytes, and how a connection ends.

Nothing that a stranger sends is kept without a bound: the head, what stands around body data in chunks (their headers,
extensions, trailers), requests that are pipelined, and the time for each.
"""

import asyncio
from collections.abc import Callable, Sized
from enum import Enum, auto
from typing import cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from salambot.http.heads import HEAD_LIMIT, MAX_HEADERS, HeadRefusedError, body_length, check_head, without_upgrade
from salambot.http.refusals import REFUSALS, refusal
from salambot.http.small_reads import SmallReads

__all__ = ["HEAD_LIMIT", "ListenerState", "TimeoutHttpProtocol", "is_listener_stopping"]

FRAMING_LIMIT = 64 * 1024
"""Bytes of a request that are neither its head nor data of its body."""
HEAD_SECONDS = 15.0
"""Time limit from the first byte (or the connection) to the end of the headers, in seconds."""
BODY_SECONDS = 25.0
"""Time limit for the body, in seconds; the application answers 408 earlier where it reads the body."""
WRITE_SECONDS = 60.0
"""How long a client may take nothing of its answer."""
LINGER_SECONDS = 2.0
"""How long what a client still sends is thrown away after its answer: a reset would take the answer from it."""
LINGER_LIMIT = 16 * 1024 * 1024
"""Bytes of it."""
DRAIN_SECONDS = 0.5
"""How long an idle connection stays open after shutdown began, in seconds: a request may be on its way."""
_PIECE = 1024
"""Bytes that are parsed at once, which bounds the requests that one read can make; of a body of known length more."""
_BODY_PIECE = 64 * 1024
_MAX_UNTAKEN = 4 * 1024
"""Bytes of a body that wait until the application asks for them; then more is read."""
_NOTHING = memoryview(b"")


class ListenerState(ServerState):
    """uvicorn's server state of a listener, plus whether it is stopping."""

    stopping = False


def is_listener_stopping(server: ServerState) -> bool:
    """Return whether a connection that is made now was accepted just before its listener stopped."""
    return isinstance(server, ListenerState) and server.stopping


class _Phase(Enum):
    """Where the parser is: between requests, in a head, or in a body."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()


class _Flow(FlowControl):
    """Parses what was read already before more is read, and nothing while requests wait for their turn.

    uvicorn resumes after each answer: of thousands of pipelined requests all would soon be in memory.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Sized, on_resume: Callable[[], None]) -> None:
        super().__init__(transport)
        self._waiting = waiting
        self._on_resume = on_resume

    def resume_reading(self) -> None:
        """Go on where reading paused."""
        if self.read_paused and not self._waiting:
            super().resume_reading()
            asyncio.get_running_loop().call_soon(self._on_resume)


class _Line:
    """The transport as the answer to a request sees it: to close it means to end the connection in good order."""

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = end


class TimeoutHttpProtocol(HttpToolsProtocol):
    """Closes connections whose request stays incomplete. A complete request is never interrupted."""

    _phase = _Phase.IDLE
    _arrived = 0
    """Bytes of this head; after it, bytes that were no data of the body."""
    _body_left = 0
    _unread: memoryview = _NOTHING
    _over = False
    """Nothing more that comes in is looked at."""
    _thrown_away = 0
    _keeps_alive = False
    _declined_upgrade = False
    _deadline: asyncio.TimerHandle | None = None
    _write_deadline: asyncio.TimerHandle | None = None
    _draining = False
    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Start the time of the first request."""
        super().connection_made(transport)
        transport.set_protocol(SmallReads(self))
        self.flow = _Flow(transport, self.pipeline, self._read)
        self._expect_head()
        if is_listener_stopping(self.server_state):
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop deadlines and what was not parsed."""
        self._stop_waiting()
        self.resume_writing()
        self._over, self._unread = True, _NOTHING
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, piece by piece, while somebody takes it."""
        self._unset_keepalive_if_required()
        if self._over:
            self._throw_away(len(data))
            return
        if self._phase is _Phase.IDLE:
            self._expect_head()
        self._unread = memoryview(b"".join((self._unread, data)) if self._unread else data)
        self._read()

    def _read(self) -> None:
        while self._unread and not (self._over or self.flow.read_paused or self.transport.is_closing()):
            size = max(_PIECE, min(self._body_left, _BODY_PIECE))
            piece, self._unread = self._unread[:size], self._unread[size:]
            self._arrived += len(piece)
            self._parse(piece)
            if self._phase is not _Phase.BODY and self._arrived > HEAD_LIMIT:
                self._refuse(431)
            elif self._arrived > FRAMING_LIMIT:
                self._refuse(413)

    def _parse(self, piece: memoryview) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            if self._over:
                return
            if self._declined_upgrade:
                self._parse_again(piece[upgrade.args[0] :])
            else:
                self.handle_websocket_upgrade()
                self._over, self._unread = True, _NOTHING
        except httptools.HttpParserError:
            self._refuse(400)

    def _parse_again(self, rest: memoryview) -> None:
        """Parse a request as if it had not asked for another protocol: the parser takes its body for that protocol."""
        head = without_upgrade(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
        self._declined_upgrade = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parse(memoryview(head))
        self._unread = memoryview(b"".join((rest, self._unread)))

    def on_message_begin(self) -> None:
        """Count again."""
        if not self._over:
            super().on_message_begin()
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header without the white space around it. A trailer is ignored, and ends the connection.

        httptools would hand the last trailer to the request that comes next.
        """
        if self._over:
            return
        if self._phase is _Phase.BODY:
            self._keeps_alive = False
            return
        super().on_header(name, value.strip(b" \t"))
        if len(self.headers) > MAX_HEADERS:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        """Refuse a head that is ambiguous or asks for too much; else begin with the request."""
        if self._over:
            return
        try:
            self.url = check_head(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
        except HeadRefusedError as error:
            self._refuse(error.status)
            return
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._declined_upgrade = True
            return
        self._stop_waiting()
        self._phase, self._arrived, self._body_left = _Phase.BODY, 0, body_length(self.headers)
        self._deadline = self.loop.call_later(BODY_SECONDS, self._refuse, 408)
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # none is made for an upgrade
            self._keeps_alive = self.cycle.keep_alive
            self.cycle.keep_alive = False  # until the whole request is there
            self.cycle.transport = cast("asyncio.Transport", _Line(self.transport, self._end))

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._arrived = max(0, self._arrived - len(body))
        self._body_left = max(0, self._body_left - len(body))
        if not (self._over or self._declined_upgrade or self.cycle is None):
            super().on_body(body)
            if len(self.cycle.body) >= _MAX_UNTAKEN:
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Cancel the deadline: the request is complete and its response may take its time."""
        if self._over or self._declined_upgrade or self.cycle is None:
            return
        self._stop_waiting()
        self._phase, self._arrived = _Phase.IDLE, 0
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keeps_alive and not self._draining
        super().on_message_complete()
        self._over = not self.cycle.keep_alive

    def pause_writing(self) -> None:
        """The client does not take its answer: it has a while to go on."""
        super().pause_writing()
        self._write_deadline = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client goes on."""
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def shutdown(self) -> None:
        """Finish the current or announced request, then close."""
        self._draining = True
        if self.cycle is None or self.cycle.response_complete:
            self._closing = self.loop.call_later(DRAIN_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def detach(self) -> None:
        """Release the connection to another protocol."""
        self._stop_waiting()
        if self._closing is not None:
            self._closing.cancel()
        self.connections.discard(self)

    def _expect_head(self) -> None:
        self._stop_waiting()
        self._phase, self._arrived, self._body_left = _Phase.HEAD, 0, 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._refuse, 408)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int) -> None:
        """End a connection by an answer of our own, after those to requests that came whole before."""
        if self._over:
            return
        in_head, cycle = self._phase is not _Phase.BODY, self.cycle
        self._stop_waiting()
        self._over, self._unread = True, _NOTHING
        if cycle is not None and not cycle.response_complete:
            if in_head:
                cycle.keep_alive = False
                return
            cycle.disconnected, cycle.body = True, bytearray()
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        if not self.transport.is_closing():
            self.transport.write(refusal(REFUSALS[status, in_head]))
            self._linger()

    def _end(self) -> None:
        """Close after an answer; where the client still sends, let it read the answer first."""
        if self._phase is _Phase.BODY and not self.transport.is_closing():
            self._stop_waiting()
            self._over, self._unread = True, _NOTHING
            if self.cycle is not None:
                self.cycle.body = bytearray()  # nobody reads it after the answer
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _throw_away(self, size: int) -> None:
        self._thrown_away += size
        if self._thrown_away > LINGER_LIMIT:
            self.transport.abort()
