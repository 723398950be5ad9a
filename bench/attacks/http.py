"""Floods on one connection, and many connections that hold what they can; each by its kind, none by a known bug."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import repeat

from bench.attacks.target import MIB, Attack, Outcome, Target, read

FLOOD = 64 * MIB
REQUESTS = MIB // 2
"""Of requests that are each answered: 29,000 of the shortest, so that a kilobyte kept for each would show."""
CONNECTIONS = 500
_ANSWER_SECONDS = 1.0
HOST = b"Host: localhost\r\n"
CHUNKED = b"POST /v1/webhooks/messenger HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
SIGNED = b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"
CLAIMED = CHUNKED.replace(HOST, HOST + SIGNED)
"""A body whose headers look signed: nobody knows better before its end."""
GET = b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n"
LARGEST_BODY = 3 * MIB


def flood(start: bytes, piece: bytes, most: int = FLOOD) -> Attack:
    """Return an attack that sends a start, then the same piece again and again, on one connection."""
    pieces = piece * max(1, 65536 // len(piece))

    def attack(target: Target, outcome: Outcome) -> None:
        with target.connect() as wire:
            reader = _reading(wire, outcome)
            with suppress(OSError):
                wire.sendall(start)
                while outcome.sent < most:
                    wire.sendall(pieces)
                    outcome.sent += len(pieces)
            reader.join()

    return attack


def _reading(wire: socket.socket, outcome: Outcome) -> threading.Thread:
    """Read answers meanwhile: who does not read would be stopped by that alone."""
    reader = threading.Thread(target=lambda: outcome.note(read(wire, _ANSWER_SECONDS)))
    reader.start()
    return reader


def hold(content: bytes, *, connections: int = CONNECTIONS, is_read: bool = True) -> Attack:
    """Return an attack of many connections that each send the same and then keep still."""

    def attack(target: Target, outcome: Outcome) -> None:
        wires = []
        try:
            for _ in repeat(None, connections):
                wires.append(target.connect())
                wires[-1].settimeout(0.5)
                with suppress(OSError):
                    wires[-1].sendall(content)
                    outcome.sent += len(content)
            for wire in wires if is_read else ():
                outcome.note(read(wire, 0.01))
        finally:
            for wire in wires:
                wire.close()

    return attack


def _body(path: bytes, headers: bytes, size: int, sent: int | None = None) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    return head % (path, headers, size) + b" " * (size - 1 if sent is None else sent)


def _upgrade(protocol: bytes, body: bytes = b"{}") -> bytes:
    asked = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: A\r\nUpgrade: " + protocol
    head = b"POST /v1/search/query HTTP/1.1\r\n%b%b\r\nContent-Length: %d\r\n\r\n" % (HOST, asked, len(body))
    return head + body


FLOODS: Mapping[str, Attack] = {
    "trailers of 8 kB": flood(CHUNKED + b"2\r\n{}\r\n0\r\n", b"x: " + b"a" * 8000 + b"\r\n"),
    "trailers of 4 bytes": flood(CHUNKED + b"0\r\n", b"a:\r\n"),
    "trailers of a body that looks signed": flood(CLAIMED + b"0\r\n", b"a: b\r\n"),
    "one endless trailer name": flood(CLAIMED + b"0\r\n", b"a"),
    "one endless trailer value": flood(CLAIMED + b"0\r\nx: ", b"a"),
    "one endless chunk extension": flood(CLAIMED + b"2;", b"a"),
    "chunk extensions with quotes": flood(CLAIMED + b'2;a="', b"\\\\"),
    "an extension on every chunk": flood(CLAIMED, b"1;" + b"e" * 200 + b"\r\nx\r\n"),
    "chunks of one byte": flood(CLAIMED, b"1\r\nx\r\n"),
    "chunk sizes with zeros before them": flood(CLAIMED, b"0"),
    "an endless body that looks signed": flood(CLAIMED, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "an endless body that nobody wants": flood(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "an endless body to another method": flood(
        b"PUT /health HTTP/1.1\r\n" + HOST + b"Content-Length: 9999999999\r\n\r\n", b"x" * 4096
    ),
    "an endless method": flood(b"", b"A"),
    "an endless target": flood(b"GET /", b"a"),
    "an endless query": flood(b"GET /v1/webhooks/messenger?", b"a=b&"),
    "an endless absolute target": flood(b"GET http://", b"a"),
    "an endless header name": flood(b"GET / HTTP/1.1\r\n", b"a"),
    "an endless header value": flood(b"GET / HTTP/1.1\r\nx: ", b"a"),
    "endless headers of 4 bytes": flood(b"GET / HTTP/1.1\r\n", b"a:\r\n"),
    "empty lines before a request": flood(b"", b"\r\n"),
    "empty lines after a request": flood(GET, b"\r\n"),
    "pipelined requests": flood(b"", GET, REQUESTS),
    "pipelined requests of 18 bytes": flood(b"", b"GET / HTTP/1.1\r\n\r\n", REQUESTS),
    "a body of one byte, then pipelined requests": flood(_body(b"/nothing", b"", 1, 1), GET, REQUESTS),
    "pipelined garbage": flood(GET, b"\x16\x03\x01\x00garbage\x00\xff"),
    "pipelined after the last request": flood(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), GET),
    "pipelined after a trailer": flood(CHUNKED.replace(b"/v1/webhooks/messenger", b"/x") + b"0\r\na: b\r\n\r\n", GET),
    "an upgrade to h2c again and again": flood(b"", _upgrade(b"h2c"), REQUESTS),
    "an upgrade to WebSocket again and again": flood(b"", _upgrade(b"websocket"), REQUESTS),
    "HTTP/2 without a question": flood(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
    "a TLS handshake": flood(bytes.fromhex("1603010200010001fc0303"), b"\x00"),
    "HTTP/1.0 with chunks": flood(CLAIMED.replace(b"HTTP/1.1", b"HTTP/1.0"), b"1\r\nx\r\n"),
    "two lengths": flood(_body(b"/v1/webhooks/messenger", SIGNED + b"Content-Length: 7\r\n", 10), b"x"),
    "a coding that nobody knows": flood(CLAIMED.replace(b"chunked", b"gzip, chunked"), b"1\r\nx\r\n"),
}
WEBHOOK = b"/v1/webhooks/messenger"
STANDARD = b"webhook-id: a\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,x\r\n"
HOLDS: Mapping[str, Attack] = {
    "connections that say nothing": hold(b"", is_read=False),
    "half a head": hold(b"GET /he", is_read=False),
    "a head of 60 kB, all but its end": hold(b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: a\r\n" % n for n in range(6000))),
    "a head of 100 headers, all but its end": hold(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 100, is_read=False),
    "bodies without a signature": hold(_body(WEBHOOK, b"", LARGEST_BODY)),
    "bodies that look signed": hold(_body(WEBHOOK, SIGNED, LARGEST_BODY)),
    "bodies of 60 kB that look signed": hold(_body(WEBHOOK, SIGNED, LARGEST_BODY, 60_000)),
    "bodies of Standard Webhooks": hold(_body(b"/v1/webhooks/generic", STANDARD, LARGEST_BODY)),
    "bodies with the wrong secret of Telegram": hold(
        _body(b"/v1/webhooks/telegram", b"X-Telegram-Bot-Api-Secret-Token: x\r\n", LARGEST_BODY)
    ),
    "chunked bodies that look signed": hold(CLAIMED + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 40),
    "bodies for a reply, without a token": hold(_body(b"/v1/generate/reply", b"", 256 * 1024)),
    "bodies that wait for 100 Continue": hold(_body(WEBHOOK, SIGNED + b"Expect: 100-continue\r\n", LARGEST_BODY, 0)),
    "500 pipelined requests each": hold(GET * 500),
    "2,000 pipelined requests each, answers not read": hold(GET * 2000, connections=50, is_read=False),
}
