"""What an interrupt waits for."""

import asyncio
import gc

import pytest

from salambot_cli.terminal.interrupts import run, shield


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


@pytest.mark.parametrize(
    ("error", "told"), [(ConnectionError("unexpected connection_lost() call"), False), (ValueError("x"), True)]
)
def test_the_end_of_a_connection_that_was_given_up_is_no_news(
    error: Exception, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave_behind() -> None:
        asyncio.get_running_loop().create_future().set_exception(error)
        gc.collect()

    run(leave_behind())
    assert ("never retrieved" in caplog.text) == told
