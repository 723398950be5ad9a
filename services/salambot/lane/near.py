"""A neighbour: a service of the same process is asked by a call, not on a wire.

A streamed answer goes by the lane all the same, because its steps outlive the task that asked.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from salambot.lane import Answer
from salambot.lane.server import MOST_AT_ONCE, Exchange, Exchanges

Address = tuple[str, int]
_neighbours: dict[Address, "Neighbour"] = {}


class Neighbour:
    """What one service of this process offers the others."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self._under_way = 0

    async def ask(self, path: str, carrier: Mapping[str, str], body: bytes) -> Answer:
        """Ask and return the whole answer, as a lane does; cancelling it cancels the work."""
        if self._under_way >= MOST_AT_ONCE:
            return Answer(503, "1", b"{}")
        content = b""

        async def whole(exchange: Exchange) -> None:
            nonlocal content
            content = await exchange.whole(body)

        self._under_way += 1
        try:
            refused = await self._exchanges.serve(path, carrier, whole)
        finally:
            self._under_way -= 1
        return refused or Answer(200, None, content)


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
