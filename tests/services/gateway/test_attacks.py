"""Requests that no client sends: endless heads, slow heads and bodies, two lengths at once; and what answers carry."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
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
    command = [sys.executable, "-m", "salambot.serve", "gateway", "--port", str(near)]
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
    process.wait(timeout=20)


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


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


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


@pytest.mark.parametrize(
    "start", [b"", b"GET /health HTTP/1.1\r\nHost: lo", b"POST /v1/generate/reply HTTP/1.1\r\nA: b\r\n"]
)
def test_a_slow_head_is_cut_off(port: int, start: bytes) -> None:
    assert statuses(answer_to(port, start)) == [408]


def test_the_public_listener_has_the_same_bounds(ports: tuple[int, int]) -> None:
    _, public = ports
    assert statuses(answer_to(public, HEALTH + b"\r\n")) == [404], "it serves webhooks alone"
    assert statuses(answer_to(public, HEALTH + b"X-Bomb: ", *[b"a" * 65536] * 64)) in ([431], [])
    upgrade = (
        b"Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    )
    assert statuses(answer_to(public, b"GET / HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n")) == [404]
    assert statuses(answer_to(public, b"POST /v1/webhooks/generic HTTP/1.1\r\nA: b\r\n")) == [408]


def test_a_slow_body_is_cut_off(port: int) -> None:
    head = b"POST /v1/webhooks/generic HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
    said = answer_to(port, head)
    assert statuses(said) == [408]
    assert b'"code":"body_too_slow"' in said, "our own answer, before the connection is cut"


def test_a_body_that_trickles_is_cut_off(port: int) -> None:
    head = b"POST /v1/webhooks/generic HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), SECONDS) as wire:
        wire.sendall(head)
        wire.settimeout(0.5)
        said = b""
        while not said:
            with contextlib.suppress(TimeoutError):
                said = wire.recv(65536)
            if not said:
                wire.sendall(b"1\r\nx\r\n")
    assert statuses(said) == [408]


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
