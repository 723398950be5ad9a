"""A neighbour: a service of the same process is asked by a call, not on a wire.

A streamed answer goes by the lane all the same, because its steps outlive the task that asked.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span

from salambot import tracing
from salambot.lane import Answer
from salambot.lane.client import MOST_AT_ONCE
from salambot.lane.server import Exchange, Exchanges
from salambot.messages import Message

Address = tuple[str, int]
_neighbours: dict[Address, "Neighbour"] = {}


class Neighbour:
    """What one service of this process offers the others."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)

    async def post(self, path: str, call: Span, message: Message) -> Message | Answer:
        """Return the answer to a message as a message too, as JSON where the other makes JSON, or what refuses it.

        Cancelling it cancels the work.
        """

        async def work(exchange: Exchange) -> Message | Answer:
            direct = self._exchanges.direct.get(path)
            if direct is not None and isinstance(message, direct.shape):
                return await direct.reply(message)
            return Answer(200, None, await exchange.whole(message.model_dump_json().encode()))

        async with self._turns:
            return await self._exchanges.serve(path, tracing.called(call), work)


def neighbour_at(address: Address) -> Neighbour | None:
    """Return the service of this process that listens there, while it does."""
    return _neighbours.get(address)


@contextmanager
def neighbour(address: Address, exchanges: Exchanges) -> Iterator[None]:
    """Offer a service to the others of this process for as long as the block lasts."""
    _neighbours[address] = Neighbour(exchanges)
    try:
        yield
    finally:
        del _neighbours[address]
