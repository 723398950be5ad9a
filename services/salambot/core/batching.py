"""Group commit: items that arrive during a round trip share the next one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Batcher(Generic[_Item, _Result]):
    """Calls `go` with the waiting items, at most `most` of them, one call at a time and without artificial delay.

    `go` returns one result per item, in order; an exception is raised to every caller of that batch.
    """

    def __init__(self, go: Callable[[list[_Item]], Awaitable[list[_Result]]], *, most: int = 64) -> None:
        self._go = go
        self._most = most
        self._waiting: list[tuple[_Item, asyncio.Future[_Result]]] = []
        self._trips: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """True if no call is in flight."""
        return self._trips is None

    async def __call__(self, item: _Item) -> _Result:
        """Add one item to the next batch and wait for its result."""
        arrived: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, arrived))
        if self._trips is None:
            self._trips = asyncio.create_task(self._travel())
        return await arrived

    async def _travel(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._trip([(item, arrived) for item, arrived in group if not arrived.done()])
        finally:
            self._trips = None

    async def _trip(self, group: list[tuple[_Item, "asyncio.Future[_Result]"]]) -> None:
        try:
            results = await self._go([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - it is handed to those who wait
            for _, arrived in group:
                if not arrived.done():
                    arrived.set_exception(error)
            return
        for (_, arrived), result in zip(group, results, strict=True):
            if not arrived.done():  # who waited may have left
                arrived.set_result(result)
