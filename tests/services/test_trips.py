"""Shared round trips: alone at once, together when something is under way, each with its own result."""

import asyncio

import pytest

from salambot.core.batching import Batcher


class Ferry:
    """Doubles numbers, one group at a time, when it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.away = asyncio.Event()
        self.free = asyncio.Event()

    async def go(self, numbers: list[int]) -> list[int]:
        self.groups.append(numbers)
        self.away.set()
        await self.free.wait()
        if 13 in numbers:
            raise ValueError("not this one")
        return [2 * number for number in numbers]


async def test_what_arrives_meanwhile_goes_together() -> None:
    ferry = Ferry()
    trips = Batcher(ferry.go, most=3)
    tasks = [asyncio.create_task(trips(1))]
    await ferry.away.wait()
    tasks += [asyncio.create_task(trips(number)) for number in (2, 3, 4, 5)]
    await asyncio.sleep(0)
    ferry.free.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert ferry.groups == [[1], [2, 3, 4], [5]]
    assert trips.idle


async def test_failure_reaches_its_own_trip_only() -> None:
    ferry = Ferry()
    ferry.free.set()
    trips = Batcher(ferry.go)
    with pytest.raises(ValueError, match="not this one"):
        await trips(13)
    assert await trips(1) == 2


async def test_who_leaves_is_not_taken_along() -> None:
    ferry = Ferry()
    trips = Batcher(ferry.go)
    first = asyncio.create_task(trips(1))
    await ferry.away.wait()
    leaving, staying = asyncio.create_task(trips(2)), asyncio.create_task(trips(3))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    ferry.free.set()
    assert await asyncio.gather(first, staying) == [2, 6]
    assert ferry.groups == [[1], [3]]
