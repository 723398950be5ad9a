"""Ctrl-C and SIGTERM: the first undoes the work, the second kills."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import ParamSpec, TypeVar

from salambot_cli.model.errors import ExitStatus, Interrupted

_Result = TypeVar("_Result")
_Parameters = ParamSpec("_Parameters")
_last_resort: list[Callable[[], None]] = []


async def run_shielded_thread(
    function: Callable[_Parameters, _Result], *words: _Parameters.args, **named: _Parameters.kwargs
) -> _Result:
    """Run blocking work in a thread; an interrupt waits for its end, so that nothing is written after the undoing."""
    return await shield(asyncio.to_thread(function, *words, **named))


async def shield(work: Coroutine[object, object, _Result]) -> _Result:
    """Do work that must be done whole or not at all; an interrupt waits for its end."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def on_force_quit(action: Callable[[], None]) -> None:
    """Register an action for a second signal, which skips the undo."""
    _last_resort.append(action)


def run(work: Coroutine[object, object, _Result]) -> _Result:
    """Run asynchronous work to its end.

    Raises:
        Interrupted: after a first signal, when the work has undone itself.
    """
    return asyncio.run(_guarded(work))


def run_until_interrupt(work: Coroutine[object, object, None]) -> None:
    """Run work that only looks, until it ends or a person ends it: there is nothing to undo, and nothing to say.

    Raises:
        SystemExit: with the status of an interrupt.
    """
    try:
        run(work)
    except Interrupted:
        raise SystemExit(int(ExitStatus.INTERRUPTED)) from None


async def _guarded(work: Coroutine[object, object, _Result]) -> _Result:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    signals: list[signal.Signals] = []

    def received(number: signal.Signals) -> None:
        signals.append(number)
        if len(signals) == 1:
            task.cancel()
        else:
            for action in _last_resort:
                action()
            os._exit(ExitStatus.INTERRUPTED)

    loop.set_exception_handler(_report)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, received, number)
    try:
        return await task
    except asyncio.CancelledError:
        if signals:
            raise Interrupted(
                "interrupted", f"{signals[0].name} was received; what this run started is undone"
            ) from None
        raise


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Tell what nobody heard of, but not the end of a connection that was given up: asyncpg leaves its future."""
    future = context.get("future")
    given_up = isinstance(context.get("exception"), ConnectionError) and not isinstance(future, asyncio.Task)
    if future is None or not given_up:
        loop.default_exception_handler(context)
