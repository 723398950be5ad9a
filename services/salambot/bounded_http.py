"""HTTP/1.1 as uvicorn reads it, with what it leaves open: how slowly a request may come, and how a connection ends."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_LIMIT = 64 * 1024
"""Bytes of request line and headers."""
HEAD_SECONDS = 15.0
"""From the first byte of a request, or from the connection, to the end of its headers."""
BODY_SECONDS = 25.0
"""To the end of the body; the application answers 408 before, where it reads the body at all."""

DRAIN_SECONDS = 0.5
"""How long a connection without a request stays open once the server is to stop: one may be on its way."""

_REFUSALS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class Connections(ServerState):
    """What uvicorn knows of a listener's connections, and whether it is about to stop."""

    stopping = False


def comes_too_late(server: ServerState) -> bool:
    """Tell whether a connection that is made now was accepted just before its listener stopped: nobody tells it so."""
    return isinstance(server, Connections) and server.stopping


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose request does not come to its point. A request that has come is never disturbed."""

    _in_head = True
    _arrived = 0
    _deadline: asyncio.TimerHandle | None = None
    _draining = False
    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Give the first request its time."""
        super().connection_made(transport)
        self._expect_head()
        if comes_too_late(self.server_state):
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Stop counting; refuse a head that came at once and is too long."""
        self._stop_waiting()
        self._deadline = self.loop.call_later(BODY_SECONDS, self._refuse, 408)
        if sum(len(name) + len(value) for name, value in self.headers) > HEAD_LIMIT:
            self._refuse(431)
            return
        super().on_headers_complete()
        if self._draining and self.cycle is not None:  # none was made for an upgrade
            self.cycle.keep_alive = False

    def data_received(self, data: bytes) -> None:
        """Read what came, unless the head is too long already."""
        if self._in_head:
            self._arrived += len(data)
        super().data_received(data)
        if self._in_head and self._arrived > HEAD_LIMIT:
            self._refuse(431)

    def on_body(self, body: bytes) -> None:
        """Ignore the body of a request that was refused."""
        if self.cycle is not None and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there: from now on its answer may take what it takes."""
        self._stop_waiting()
        if self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()

    def shutdown(self) -> None:
        """Answer what is under way or about to come, then close."""
        self._draining = True
        if self.cycle is None or self.cycle.response_complete:
            self._closing = self.loop.call_later(DRAIN_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def hand_over(self) -> None:
        """Let go of a connection that goes on as something else."""
        self._stop_waiting()
        if self._closing is not None:
            self._closing.cancel()
        self.connections.discard(self)

    def _expect_head(self) -> None:
        self._stop_waiting()
        self._in_head, self._arrived = True, 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._refuse, 408)

    def _stop_waiting(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int) -> None:
        self._stop_waiting()
        if self.cycle is not None and self.cycle.response_started:
            self.transport.close()
        elif not self.transport.is_closing():
            line = b"HTTP/1.1 %d %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % (status, _REFUSALS[status])
            self.transport.write(line)
            self.transport.close()
