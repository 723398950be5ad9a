"""How a service listens: in a rush, who is not connected yet does not wait behind everybody who is."""

import asyncio
import socket
from contextlib import ExitStack

import uvloop

from salambot.serve import several

WAITING = 64


async def rounds_to_accept(listeners: list[socket.socket]) -> int:
    """Return how many rounds of the loop it takes until all who wait at a port are connected."""
    loop = asyncio.get_running_loop()
    connected = 0

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal connected
            connected += 1
            transport.close()

    servers = [await loop.create_server(Counting, sock=listener) for listener in listeners]
    rounds = 0
    while connected < WAITING:
        rounds += 1
        await asyncio.sleep(0)
    for server in servers:
        server.close()
        await server.wait_closed()
    return rounds


def test_several_connections_are_accepted_in_a_round_of_the_loop() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=WAITING))
        for _ in range(WAITING):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        assert uvloop.run(rounds_to_accept(several(listener))) < WAITING // 2
