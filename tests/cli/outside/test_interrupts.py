"""What an interrupt waits for."""

import asyncio

import pytest

from salambot_cli.terminal.interrupts import shield


async def test_work_that_is_done_whole_ends_before_the_interrupt_goes_on() -> None:
    """As when a supervisor is being started: what undoes a run has to know that it is there."""
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> None:
        begun.set()
        await may_end.wait()
        ended.append("work")

    task = asyncio.create_task(shield(work()))
    await begun.wait()
    task.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["work"]
