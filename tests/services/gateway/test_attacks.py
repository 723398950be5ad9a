"""Requests that no client sends: endless heads, slow heads and bodies, two lengths at once; and what answers carry."""

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests import events
from tests.servers import free_port
from tests.services.gateway.conftest import Gateway, Message

SECONDS = 40


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Start the gateway as it is started for real, with nothing behind it; return its own port and the public one."""
    near, public = free_port(), free_port()
    services = Path(__file__).parents[3] / "services"
    environ = {"INTERNAL_TOKEN": "t", "REDIS_URL": "redis://127.0.0.1:1/0", "PYTHONPATH": str(services),
               "POSTGRES_URL": "postgres://a:b@127.0.0.1:1/x", "INGRESS_PORT": str(public),
               "WEBHOOK_SECRET": events.WEBHOOK_SECRET}  # fmt: skip
    command = [sys.executable, "-m", "salambot.http.server", "gateway", "--port", str(near)]
    process = subprocess.Popen(
        command, env=environ, cwd=tmp_path_factory.mktemp("edge"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", near), 1).close()
            break
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield near, public
    process.terminate()
    process.wait(timeout=60)


@pytest.fixture
def port(ports: tuple[int, int]) -> int:
    return ports[0]


def answer_to(port: int, *pieces: bytes) -> bytes:
    """Send pieces, and read until the other side closes or has said enough."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as wire:
        try:
            for piece in pieces:
                wire.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        said = b""
        try:
            while data := wire.recv(65536):
                said += data
        except ConnectionResetError:
            pass
        return said


def statuses(said: bytes) -> list[int]:
    return [int(line.split()[1]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


SIGNED = b"webhook-id: a\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,a\r\n"
"""Looks like a signature until the body is there."""
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
HOOK = b"POST /v1/webhooks/generic HTTP/1.1\r\nHost: localhost\r\n" + SIGNED
CHUNKED = HOOK + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW_BODY = HOOK + b"Content-Length: 1000\r\n\r\n{"


def test_a_usual_request_is_answered(port: int) -> None:
    said = answer_to(port, HEALTH + b"\r\n")
    assert statuses(said) == [200]
    assert b"\r\nserver:" not in said.lower()


@pytest.mark.parametrize(
    "pieces",
    [
        (HEALTH, *[b"X-Bomb-%d: %s\r\n" % (number, b"a" * 1000) for number in range(5000)]),
        (HEALTH + b"X-Bomb: ", *[b"a" * 65536] * 64),
        (b"GET /" + b"a" * 3_000_000 + b" HTTP/1.1\r\n",),
        (HEALTH + b"".join(b"X-%d: a\r\n" % number for number in range(20_000)) + b"\r\n",),
    ],
    ids=["many", "long", "line", "at-once"],
)
def test_a_header_bomb_is_cut_off(port: int, pieces: tuple[bytes, ...]) -> None:
    said = answer_to(port, *pieces)
    assert statuses(said) in ([431], [])  # the reset of a connection may overtake the answer
    assert statuses(answer_to(port, HEALTH + b"\r\n")) == [200]


def trickle(port: int) -> bytes:
    """Send a body a byte at a time until an answer comes."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as wire:
        wire.sendall(CHUNKED)
        wire.settimeout(0.5)
        said = b""
        while not said:
            with contextlib.suppress(TimeoutError):
                said = wire.recv(65536)
            if not said:
                wire.sendall(b"1\r\nx\r\n")
    return said


def idle(port: int) -> bytes:
    """Send an empty line after a request; return what comes after its answer."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as wire:
        wire.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = HTTPResponse(wire)
        answer.begin()
        assert (answer.status, bool(answer.read())) == (200, True)
        wire.sendall(b"\r\n")
        return wire.recv(65536)


SLOW: dict[str, Callable[[int, int], bytes]] = {
    "nothing": lambda near, _: answer_to(near, b""),
    "part of a header": lambda near, _: answer_to(near, b"GET /health HTTP/1.1\r\nHost: lo"),
    "no end of the head": lambda near, _: answer_to(near, b"POST /v1/generate/reply HTTP/1.1\r\nA: b\r\n"),
    "the tunnel's listener": lambda _, public: answer_to(public, b"POST /v1/webhooks/generic HTTP/1.1\r\nA: b\r\n"),
    "an empty line after a request": lambda near, _: idle(near),
    "a body": lambda near, _: answer_to(near, SLOW_BODY),
    "a body that trickles": lambda near, _: trickle(near),
}


@pytest.fixture(scope="module")
def slow(ports: tuple[int, int]) -> Iterator[dict[str, Future[bytes]]]:
    """Send all slow requests side by side: each takes as long as the gateway waits."""
    with ThreadPoolExecutor(len(SLOW)) as threads:
        yield {name: threads.submit(send, *ports) for name, send in SLOW.items()}


@pytest.mark.parametrize("name", SLOW)
def test_what_is_slow_is_cut_off(slow: dict[str, Future[bytes]], name: str) -> None:
    assert statuses(slow[name].result(SECONDS)) == [408]


def test_a_slow_body_gets_our_own_answer_before_the_connection_is_cut(slow: dict[str, Future[bytes]]) -> None:
    assert b'"code":"body_too_slow"' in slow["a body"].result(SECONDS)


def test_the_public_listener_has_the_same_bounds(ports: tuple[int, int]) -> None:
    _, public = ports
    assert statuses(answer_to(public, HEALTH + b"\r\n")) == [404], "it serves webhooks alone"
    assert statuses(answer_to(public, HEALTH + b"X-Bomb: ", *[b"a" * 65536] * 64)) in ([431], [])
    upgrade = (
        b"Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    )
    assert statuses(answer_to(public, b"GET / HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n")) == [404]


SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 0\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"X: y\r\n Transfer-Encoding: chunked\r\n",
        b"X: y\nContent-Length: 5\r\n",
        b"X\x00: y\r\n",
    ],
)
def test_no_second_request_is_smuggled_in(port: int, headers: bytes) -> None:
    request = (
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + b"\r\n0\r\n\r\n" + SMUGGLED
    )
    found = statuses(answer_to(port, request))
    assert len(found) == 1
    assert 200 not in found


def problem_of(said: bytes) -> tuple[int, str]:
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert b"connection: close" in head.lower()
    document = json.loads(body)
    assert statuses(said) == [document["status"]]
    assert document["trace_id"] != "0" * 32
    return document["status"], document["code"]


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (HEALTH + b"x: " + b"a" * 40_000, 431, "headers_too_large"),
        (HEALTH + b"a: b\r\n" * 200, 431, "headers_too_large"),
        (b"GET /" + b"a" * 40_000, 431, "headers_too_large"),
        (CHUNKED + b"1\r\nx\r\n" * 20_000, 413, "body_too_large"),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * 20_000, 413, "body_too_large"),
        (CHUNKED + b"1;" + b"a" * 70_000, 413, "body_too_large"),
        (CHUNKED + b"z\r\n", 400, "bad_request"),
        (CHUNKED.replace(b"chunked", b"gzip, chunked"), 501, "transfer_encoding_unsupported"),
        (CHUNKED.replace(b"chunked", b"chunked, chunked"), 400, "bad_request"),
        (CHUNKED.replace(b"chunked", b"br, chunked"), 501, "transfer_encoding_unsupported"),
        (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"), 400, "bad_request"),
        (HEALTH.replace(b"Host: localhost", b"Host: localhost\r\nHost: x") + b"\r\n", 400, "bad_request"),
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
        (b"GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
        (b"GET http://a@localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "bad_request"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_never_becomes_a_request_is_a_problem(port: int, request_bytes: bytes, status: int, code: str) -> None:
    assert problem_of(answer_to(port, request_bytes)) == (status, code)


@pytest.mark.parametrize("target", [b"/metrics", b"/docs", b"/openapi.json"])
@pytest.mark.parametrize(
    ("form", "host", "status"),
    [
        (b"%b", b"localhost", 200),
        (b"%b", b"evil.com", 404),
        (b"http://evil.com%b", b"evil.com", 404),
        (b"http://evil.com%b", b"localhost", 400),
        (b"http://localhost:80%b", b"evil.com", 400),
        (b"HTTP://LOCALHOST%b", b"localhost:80", 200),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_absolute_target_names_the_same_host(
    port: int, target: bytes, form: bytes, host: bytes, status: int
) -> None:
    request = b"GET " + form % target + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    assert statuses(answer_to(port, request)) == [status]


def test_a_trailer_is_no_header_of_any_request(port: int) -> None:
    first = b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: evil.com\r\n\r\n"
    said = answer_to(port, first + b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert statuses(said) == [405], "the connection ends: the parser would give the trailer to the next request"


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0", b"salambot-lane-1"])
def test_a_request_that_would_like_another_protocol_is_served_whole(port: int, protocol: bytes) -> None:
    body = b'{"query":"x","tenant":"demo"}' * 3000
    head = b"POST /v1/webhooks/generic HTTP/1.1\r\nHost: localhost\r\n" + SIGNED
    upgrade = b"Connection: close, Upgrade, HTTP2-Settings\r\nHTTP2-Settings: A\r\nUpgrade: " + protocol + b"\r\n"
    said = answer_to(port, head + upgrade + b"Content-Length: %d\r\n\r\n" % len(body), body[:10], body[10:])
    assert statuses(said) == [401]
    assert b"invalid_signature" in said


def test_white_space_around_a_value_is_no_part_of_it(port: int) -> None:
    request = b"GET /metrics HTTP/1.1\r\nHost:\t  localhost \t\r\nConnection: close \r\n\r\n"
    assert statuses(answer_to(port, request)) == [200]


def test_a_connection_ends_where_the_answer_came_before_the_body(port: int) -> None:
    head = b"POST /v1/webhooks/generic HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    said = answer_to(port, head, b" " * 500_000)
    assert statuses(said) == [401]
    assert b"connection: close" in said


def test_requests_on_one_connection_are_answered_in_their_order(port: int) -> None:
    paths = [b"/health", b"/nothing", b"/metrics", b"/v1/generate/reply"] * 100
    many = b"".join(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths)
    said = answer_to(port, many + HEALTH + b"\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"404", b"200", b"405"] * 100 + [b"200"]


def test_answers_are_for_the_caller_alone(gateway: Gateway, message: Message) -> None:
    for answer in (gateway.reply(message), gateway.client.get("/nothing"), gateway.client.get("/health")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["Cache-Control"] == "no-store"
    stream = gateway.reply(message, Accept="text/event-stream")
    assert stream.headers.get_list("Cache-Control") == ["no-cache"]
    assert "Content-Security-Policy" not in gateway.client.get("/docs").headers
