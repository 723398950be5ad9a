"""The hop between two services: what it carries, what it survives, what it says when it does not."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from salambot.core.problems import Problem
from salambot.core.schemas import Reply, ReplyCompleted, ReplyDelta, SearchRequest
from salambot.rpc.service_client import ServiceClient, as_own_problem
from tests.fakes.peers import REPLY, Fault, Peers
from tests.servers import free_port, serving

pytestmark = pytest.mark.slow

ASKED = SearchRequest(query="x", tenant="demo")


@pytest.fixture
def peers() -> Iterator[Peers]:
    """Return the other service."""
    behind = Peers()
    yield behind
    behind.go_on.set()


@pytest.fixture
def url(peers: Peers) -> Iterator[str]:
    """Return the address of the other service."""
    with serving(peers.app) as base:
        yield base
        peers.go_on.set()


@pytest.fixture
async def hop(url: str) -> AsyncIterator[ServiceClient]:
    """Return a hop to the other service."""
    async with ServiceClient("nlu", url, SecretStr("t")) as made:
        yield made


async def test_an_answer_is_read_into_its_shape(hop: ServiceClient, peers: Peers) -> None:
    assert await hop.post("/internal/reply", ASKED, Reply, 5) == Reply.model_validate(REPLY)
    assert peers.headers[0]["x-salambot-internal"] == "t"


async def test_a_stream_yields_events_up_to_the_last(hop: ServiceClient) -> None:
    events = [event async for event in hop.stream("/internal/reply", ASKED, 5)]
    assert events == [
        ReplyDelta(text="Vous avez "),
        ReplyDelta(text="14 jours"),
        ReplyCompleted(reply=Reply.model_validate(REPLY)),
    ]


async def test_closing_a_stream_ends_the_others_work(hop: ServiceClient, peers: Peers) -> None:
    peers.fault = "silent"
    async with contextlib.aclosing(hop.stream("/internal/reply", ASKED, 20)) as events:
        await anext(events)
    assert await asyncio.to_thread(peers.left.wait, 10)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("problem", 503, "postgres_unavailable"),
        ("crash", 502, "upstream_failed"),
        ("nonsense", 502, "upstream_invalid"),
        ("hangs", 504, "upstream_timeout"),
    ],
)
async def test_each_fault_is_a_problem(hop: ServiceClient, peers: Peers, fault: Fault, status: int, code: str) -> None:
    peers.fault = fault
    with pytest.raises(Problem) as raised:
        await hop.post("/internal/reply", ASKED, Reply, 0.5)
    assert (raised.value.status, raised.value.code) == (status, code)


async def test_nobody_there_names_who_is_missing() -> None:
    async with ServiceClient("nlu", f"http://127.0.0.1:{free_port()}", SecretStr("t")) as hop:
        for ask in (hop.post("/x", ASKED, Reply, 5), hop.check()):
            with pytest.raises(Problem) as raised:
                await ask
            assert (raised.value.status, raised.value.code) == (503, "upstream_unavailable")
            assert "nlu" in str(raised.value.detail)


async def test_a_service_that_comes_back_is_used_at_once(peers: Peers) -> None:
    port = free_port()
    async with ServiceClient("nlu", f"http://127.0.0.1:{port}", SecretStr("t")) as hop:
        for _ in range(2):
            with serving(peers.app, port):
                await hop.post("/internal/reply", ASKED, Reply, 5)
            with pytest.raises(Problem):
                await hop.post("/internal/reply", ASKED, Reply, 5)


async def test_a_call_that_was_sent_is_never_sent_again() -> None:
    calls = 0

    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        head = await reader.readuntil(b"\r\n\r\n")
        calls += head.startswith(b"POST /internal/reply ")  # before it comes the question whether there is a lane
        writer.close()

    server = await asyncio.start_server(slam, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, ServiceClient("nlu", f"http://127.0.0.1:{port}", SecretStr("t")) as hop:
        with pytest.raises(Problem) as raised:
            await hop.post("/internal/reply", ASKED, Reply, 5)
    assert (raised.value.status, raised.value.code, calls) == (502, "upstream_broken", 1)


async def test_connecting_takes_two_seconds_at_most() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:  # fill the queue of the listener, who never accepts
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        async with ServiceClient("nlu", f"http://127.0.0.1:{port}", SecretStr("t")) as hop, asyncio.timeout(60):
            with pytest.raises(Problem) as raised:
                await hop.post("/internal/reply", ASKED, Reply, 60)
        for one in waiting:
            one.close()
    assert raised.value.status == 504


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (503, b'{"code": "a", "detail": "b"}', (503, "a", "b")),
        (503, b"<html>", (503, "upstream_failed", "nlu answered 503.")),
        (504, b"[]", (504, "upstream_failed", "nlu answered 504.")),
        (429, b"{}", (503, "upstream_busy", "nlu is too busy.")),
        (500, b'{"code": "canary"}', (502, "upstream_failed", "nlu answered 500.")),
        (401, b'{"code": "canary"}', (502, "upstream_failed", "nlu answered 401.")),
        (422, b"", (502, "upstream_failed", "nlu answered 422.")),
    ],
)
def test_anothers_error_becomes_ours(status: int, content: bytes, expected: tuple[int, str, str]) -> None:
    problem = as_own_problem("nlu", status, content)
    assert (problem.status, problem.code, problem.detail) == expected
