"""Direct calls to a service of the same process, without a connection.

Streams still use a connection, because their steps outlive the calling task.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span

from salambot.core import tracing
from salambot.core.schemas import Message
from salambot.rpc import RpcResponse
from salambot.rpc.client import MAX_AT_ONCE
from salambot.rpc.server import Endpoint, EndpointRegistry

Address = tuple[str, int]
_neighbours: dict[Address, "LocalService"] = {}


class LocalService:
    """A service of this process that others call without a network hop."""

    def __init__(self, exchanges: EndpointRegistry) -> None:
        self._exchanges = exchanges
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def post(self, path: str, call: Span, message: Message) -> Message | RpcResponse:
        """Return the reply to a message, as a message or as JSON, or the response that refuses it.

        Cancelling it cancels the work.
        """

        async def work(exchange: Endpoint) -> Message | RpcResponse:
            direct = self._exchanges.direct.get(path)
            if direct is not None and isinstance(message, direct.request_type):
                return await direct.reply(message)
            return RpcResponse(200, None, await exchange.call(message.model_dump_json().encode()))

        async with self._turns:
            return await self._exchanges.dispatch(path, tracing.local_call_span(call), work)


def find_local(address: Address) -> LocalService | None:
    """Return the service of this process that listens there, while it does."""
    return _neighbours.get(address)


@contextmanager
def register_local(address: Address, exchanges: EndpointRegistry) -> Iterator[None]:
    """Register a service for calls from this process while the block lasts."""
    _neighbours[address] = LocalService(exchanges)
    try:
        yield
    finally:
        del _neighbours[address]
