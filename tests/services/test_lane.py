"""The lane between two services: many questions on one connection, and what becomes of them when something breaks."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from yarl import URL

from salambot.core.problems import Problem
from salambot.core.settings import ServiceSettings
from salambot.http.application import add_exchange, service_app
from salambot.http.listener import Listener, listener_config
from salambot.http.middleware import INTERNAL_HEADER
from salambot.http.protocol import DRAIN_SECONDS
from salambot.rpc import PATH, PROTOCOL
from salambot.rpc.client import ConnectionLostError, RpcClientConnection, UpgradeRefusedError
from salambot.rpc.frames import MAX_BYTES, FrameReader, FramingError, Kind, decode_message, encode_frame, encode_message
from salambot.rpc.server import UpgradingHttpProtocol
from salambot.rpc.service_client import ServiceClient
from tests.serving import serving

TOKEN = SecretStr("right")


class Behind:
    """An endpoint that does as it is told: `slow` waits for `go_on`, `crash` fails, `huge` answers too much."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.connections: set[object] = set()

    async def call(self, body: bytes, /) -> bytes:
        if body == b"slow":
            self.begun.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if body == b"crash":
            raise RuntimeError("customer-canary")
        if body == b"refuse":
            raise Problem(503, "not_now", "Not now.", headers={"Retry-After": "7"})
        return bytes(MAX_BYTES) if body == b"huge" else body

    async def stream(self, body: bytes, /) -> AsyncGenerator[bytes, None]:
        yield b"one\n"
        yield await self.call(body)


@pytest.fixture
def behind() -> Behind:
    """Return the endpoint."""
    return Behind()


def _app(behind: Behind) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = service_app("nlu", ServiceSettings(internal_token=SecretStr("right,older")), lifespan=lifespan)
    add_exchange(app, "/internal/do", behind)
    return app


@pytest.fixture
async def url(behind: Behind) -> AsyncIterator[str]:
    """Return the address of a service with the endpoint."""
    async with serving(_app(behind)) as base:
        yield base
        behind.go_on.set()


@pytest.fixture
async def hop(url: str) -> AsyncIterator[ServiceClient]:
    """Return a hop to that service."""
    async with ServiceClient("nlu", url, TOKEN) as made:
        yield made


async def test_many_questions_share_one_connection(url: str, behind: Behind) -> None:
    lane = await RpcClientConnection.open(URL(url), "older")
    slow = asyncio.create_task(lane.ask("/internal/do", {}, b"slow"))
    answers = await asyncio.gather(*(lane.ask("/internal/do", {}, b"%d" % number) for number in range(1000)))
    assert [answer.content for answer in answers] == [b"%d" % number for number in range(1000)]
    assert not slow.done()
    behind.go_on.set()
    assert (await slow).content == b"slow"
    lane.close()


async def test_a_stream_comes_in_its_pieces(url: str) -> None:
    lane = await RpcClientConnection.open(URL(url), "right")
    assert [piece async for piece in lane.stream("/internal/do", {}, b"two")] == [b"one\n", b"two"]
    lane.close()


async def test_who_leaves_cancels_the_work(hop: ServiceClient, behind: Behind) -> None:
    asking = asyncio.create_task(hop.ask("/internal/do", b"slow", 20))
    await behind.begun.wait()
    asking.cancel()
    await asyncio.wait_for(behind.cancelled.wait(), 10)
    assert await hop.ask("/internal/do", b"next", 5) == b"next"


async def test_who_leaves_a_stream_cancels_the_work(url: str, behind: Behind) -> None:
    lane = await RpcClientConnection.open(URL(url), "right")
    async with aclosing(lane.stream("/internal/do", {}, b"slow")) as pieces:
        assert await anext(pieces) == b"one\n"
        await behind.begun.wait()
    await asyncio.wait_for(behind.cancelled.wait(), 10)
    lane.close()


async def test_a_stopping_service_answers_a_question_that_was_on_its_way(behind: Behind) -> None:
    """It never closes before its caller does: a loaded caller reads late that it is to leave."""
    listener = Listener(listener_config(_app(behind), "127.0.0.1", 0, http=UpgradingHttpProtocol, grace_s=30))
    serve = asyncio.create_task(listener.serve())
    await listener.listens.wait()
    reader, writer = await asyncio.open_connection(*listener.servers[0].sockets[0].getsockname())
    hello = ["Host: x", "Connection: Upgrade", f"Upgrade: {PROTOCOL}", f"{INTERNAL_HEADER}: right", "", ""]
    writer.write("\r\n".join([f"GET {PATH} HTTP/1.1", *hello]).encode())
    await reader.readuntil(b"\r\n\r\n")
    listener.should_exit = True
    leave = encode_frame(Kind.LEAVE, 0)
    assert await asyncio.wait_for(reader.readexactly(len(leave)), 10) == leave
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), DRAIN_SECONDS * 3)
    writer.write(encode_frame(Kind.ASK, 1, encode_message(["/internal/do", False, {}], b"late")))
    answer = encode_frame(Kind.ANSWER, 1, encode_message([200, None], b"late"))
    assert await asyncio.wait_for(reader.readexactly(len(answer)), 10) == answer
    writer.close()
    await asyncio.wait_for(serve, 10)


async def test_a_connection_that_breaks_cancels_the_work(url: str, behind: Behind) -> None:
    lane = await RpcClientConnection.open(URL(url), "right")
    asking = asyncio.create_task(lane.ask("/internal/do", {}, b"slow"))
    await behind.begun.wait()
    lane.close()
    await asyncio.wait_for(behind.cancelled.wait(), 10)
    with pytest.raises(ConnectionLostError):
        await asking
    with pytest.raises(ConnectionLostError):
        await lane.ask("/internal/do", {}, b"late")


@pytest.mark.parametrize(
    ("body", "path", "status", "code"),
    [
        (b"crash", "/internal/do", 502, "upstream_failed"),
        (b"huge", "/internal/do", 502, "upstream_failed"),
        (b"refuse", "/internal/do", 503, "not_now"),
        (b"x", "/internal/elsewhere", 502, "upstream_failed"),
    ],
)
async def test_what_fails_is_a_problem_and_harms_no_other(
    hop: ServiceClient, behind: Behind, body: bytes, path: str, status: int, code: str
) -> None:
    other = asyncio.create_task(hop.ask("/internal/do", b"slow", 20))
    await behind.begun.wait()
    with pytest.raises(Problem) as raised:
        await hop.ask(path, body, 5)
    assert (raised.value.status, raised.value.code) == (status, code)
    assert (raised.value.headers or {}).get("Retry-After") == ("7" if body == b"refuse" else None)
    assert "canary" not in str(raised.value.document())
    behind.go_on.set()
    assert await other == b"slow"


async def test_an_answer_that_takes_too_long_is_given_up(hop: ServiceClient, behind: Behind) -> None:
    with pytest.raises(Problem) as raised:
        await hop.ask("/internal/do", b"slow", 0.2)
    assert raised.value.status == 504
    await asyncio.wait_for(behind.cancelled.wait(), 10)


async def test_a_service_that_stops_answers_what_is_under_way(behind: Behind) -> None:
    stack = contextlib.AsyncExitStack()
    base = await stack.enter_async_context(serving(_app(behind)))
    lane = await RpcClientConnection.open(URL(base), "right")
    under_way = asyncio.create_task(lane.ask("/internal/do", {}, b"slow"))
    await behind.begun.wait()
    stopping = asyncio.create_task(stack.aclose())
    async with asyncio.timeout(60):
        while not lane.leaving:  # noqa: ASYNC110 - as a user of the lane sees it
            await asyncio.sleep(0.005)
    behind.go_on.set()
    assert (await under_way).content == b"slow"
    await asyncio.wait_for(stopping, 10)


async def test_a_service_that_was_replaced_is_asked_on_a_new_lane(behind: Behind) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    async with ServiceClient("nlu", f"http://127.0.0.1:{port}", TOKEN) as hop:
        for number in range(3):
            async with serving(_app(behind), port):
                assert await hop.ask("/internal/do", b"%d" % number, 5) == b"%d" % number


@pytest.mark.parametrize(
    ("said", "times"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", 2),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", 2),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + encode_frame(Kind.LEAVE, 0), 5),
    ],
    ids=["nobody is behind the balancer", "nor behind an old one", "it chooses a replica that stops"],
)
async def test_what_a_balancer_chooses_badly_is_asked_for_again(url: str, said: bytes, times: int) -> None:
    met = 0

    async def balance(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        head = await reader.readuntil(b"\r\n\r\n")
        if met <= times:
            writer.write(said)
        else:
            inner_reader, inner = await asyncio.open_connection("127.0.0.1", URL(url).port)
            inner.write(head)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pipe(inner_reader, writer))
                group.create_task(_pipe(reader, inner))
        writer.close()

    async with await asyncio.start_server(balance, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with ServiceClient("nlu", f"http://127.0.0.1:{port}", TOKEN) as hop:
            assert await hop.ask("/internal/do", b"x", 30) == b"x"
    assert met == times + 1


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(65536):
        writer.write(content)
    writer.close()


async def test_only_this_environment_opens_a_lane(url: str) -> None:
    with pytest.raises(UpgradeRefusedError):
        await RpcClientConnection.open(URL(url), "wrong")
    async with ServiceClient("nlu", url, SecretStr("wrong")) as hop:
        with pytest.raises(Problem) as raised:
            await hop.ask("/internal/do", b"x", 5)
    assert raised.value.code == "upstream_failed"
    upgrade = {"Connection": "Upgrade", "Upgrade": PROTOCOL, "X-SalamBot-Internal": "wrong"}
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get(PATH, headers=upgrade)).status_code == 401


@pytest.mark.parametrize("status", ["404 Not Found", "426 Upgrade Required", "500 Oops", "501 Not Implemented"])
async def test_a_server_that_answers_something_else_speaks_http_only(status: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        with pytest.raises(UpgradeRefusedError, match=status.split(maxsplit=1)[0]):
            await RpcClientConnection.open(URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), "right")


async def test_the_same_endpoint_answers_over_http(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, headers={"X-SalamBot-Internal": "right"}) as client:
        assert (await client.post("/internal/do", content=b"hello")).content == b"hello"
        streamed = await client.post("/internal/do", content=b"two", headers={"Accept": "application/x-ndjson"})
        assert streamed.content == b"one\ntwo"


@pytest.mark.parametrize(
    "garbage",
    [
        encode_frame(Kind.ASK, 1, b"no head"),
        b"\xff" * 9,
        encode_frame(Kind.ASK, 1, b"[1,2,3]\n"),
        encode_frame(Kind.ASK, 1, b'["/internal/do",false,{"traceparent":1}]\nx'),
        encode_frame(Kind.ASK, 1, b'["/internal/do",false,{}]\nx') * 2,
    ],
    ids=["no head", "no frame", "another head", "a carrier that is no text", "a number that is under way"],
)
async def test_who_talks_nonsense_on_a_lane_is_cut_off(url: str, garbage: bytes) -> None:
    lane = await RpcClientConnection.open(URL(url), "right")
    assert lane._transport is not None
    lane._transport.write(garbage)
    async with asyncio.timeout(60):
        while not lane._transport.is_closing():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    fresh = await RpcClientConnection.open(URL(url), "right")
    assert (await fresh.ask("/internal/do", {}, b"x")).content == b"x"
    fresh.close()


_FRAMES = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=300)), max_size=12)


@given(sent=_FRAMES, cuts=st.lists(st.integers(0, 4000), max_size=12))
def test_frames_survive_any_cutting(sent: list[tuple[Kind, int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(encode_frame(*one) for one in sent)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = FrameReader()
    read = [found for start, end in pairwise(edges) for found in reader.feed(stream[start:end])]
    assert read == [(int(kind), number, content) for kind, number, content in sent]


@given(content=st.binary(max_size=200))
def test_a_head_is_a_list_or_refused(content: bytes) -> None:
    with contextlib.suppress(FramingError):
        head, _ = decode_message(content)
        assert isinstance(head, list)
    assert decode_message(encode_message(["a", None, 1], content)) == (["a", None, 1], content)


async def test_a_lane_whose_service_stops_at_once_is_opened_anew() -> None:
    lanes, closed = 0, asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lanes
        lanes += 1
        await reader.readuntil(b"\r\n\r\n")
        agreed = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: %b\r\n\r\n" % PROTOCOL.encode()
        if lanes == 1:
            writer.write(agreed + encode_frame(Kind.LEAVE, 0))  # in one piece: it leaves before anything can be asked
        else:
            writer.write(agreed)
            frames = FrameReader()
            while data := await reader.read(65536):
                for _, number, _ in frames.feed(data):
                    writer.write(encode_frame(Kind.ANSWER, number, encode_message([200, None], b"from the next")))
        writer.close()
        await writer.wait_closed()
        closed.release()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, ServiceClient("nlu", f"http://127.0.0.1:{port}", TOKEN) as hop:
        assert await hop.ask("/internal/do", b"{}", 10) == b"from the next"
    assert lanes == 2
    for _ in range(lanes):
        await asyncio.wait_for(closed.acquire(), 10)
