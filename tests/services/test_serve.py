"""How a service listens: who comes in a rush, and who comes while it stops."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest
import uvloop
from fastapi import FastAPI
from pydantic import SecretStr

from salambot.core.settings import ServiceSettings
from salambot.http.application import add_exchange, service_app
from salambot.http.listener import Listener, listener_config
from salambot.http.protocol import DRAIN_SECONDS
from salambot.rpc.server import UpgradingHttpProtocol
from salambot.rpc.service_client import ServiceClient
from tests.servers import free_port

WAITING = 64
TOKEN = SecretStr("right")


class Echo:
    async def call(self, body: bytes, /) -> bytes:
        return body

    async def stream(self, body: bytes, /) -> AsyncGenerator[bytes, None]:
        yield body


def service() -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = service_app("nlu", ServiceSettings(internal_token=TOKEN), lifespan=lifespan)
    add_exchange(app, "/internal/do", Echo())
    return app


async def rounds_to_accept() -> int:
    """Return how many rounds of the loop a listener takes until all who wait at its port are connected."""
    listener = Listener(listener_config(service(), "127.0.0.1", free_port()))
    serving = asyncio.create_task(listener.serve())
    await listener.listens.wait()
    rounds = 0
    with ExitStack() as stack:
        for _ in range(WAITING):
            stack.enter_context(socket.create_connection((listener.config.host, listener.config.port)))
        while len(listener.server_state.connections) < WAITING:
            rounds += 1
            await asyncio.sleep(0)
    listener.should_exit = True
    await serving
    return rounds


def test_several_connections_are_accepted_in_a_round_of_the_loop() -> None:
    assert uvloop.run(rounds_to_accept()) < WAITING // 2


@asynccontextmanager
async def stopping_at_first() -> AsyncIterator[tuple[int, list[int]]]:
    """Yield a port, and how many connections it saw. The first is made just after the stop: it was accepted before."""
    listener = Listener(listener_config(service(), "127.0.0.1", 0, http=UpgradingHttpProtocol))
    listener.config.load()

    made = [0]

    def make() -> UpgradingHttpProtocol:
        state = listener.server_state
        state.stopping = made[0] == 0
        made[0] += 1
        return UpgradingHttpProtocol(listener.config, state, {})

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], made
    server.close()
    await server.wait_closed()
    async with asyncio.timeout(60):
        while listener.server_state.connections:  # noqa: ASYNC110 - uvicorn's set raises no event
            await asyncio.sleep(0.01)


async def test_a_connection_that_is_made_after_the_stop_is_told_so() -> None:
    async with stopping_at_first() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer.lower()
        writer.close()


async def test_a_hop_that_a_stopping_service_takes_in_goes_on_to_the_next() -> None:
    async with stopping_at_first() as (port, made), ServiceClient("nlu", f"http://127.0.0.1:{port}", TOKEN) as hop:
        answers = await asyncio.gather(*(hop.ask("/internal/do", b"%d" % number, 10) for number in range(20)))
        assert answers == [b"%d" % number for number in range(20)]
        await asyncio.sleep(DRAIN_SECONDS * 1.5)  # what the first connection would have been closed by
        assert await hop.ask("/internal/do", b"later", 10) == b"later"
    assert made[0] <= 3, "all of it went on a lane: over HTTP each of the twenty had a connection"


@pytest.mark.parametrize("words", [["rag", "rag", "--port", "1", "--port", "2"], ["rag", "nlu", "--port", "1"]])
def test_each_service_has_its_port(words: list[str]) -> None:
    command = [sys.executable, "-m", "salambot.http.server", *words]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "each service is named once, and has one --port" in done.stderr
