"""What a worker does beside replying: sweep up what the queue lost, hold its claims, forget what is old."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from prometheus_client import Gauge

from salambot.database import DatabaseUnavailable
from salambot.delivery.inbox import LEASE, Inbox
from salambot.delivery.queue import Consumer, Conversation, Dispatcher, Handler
from salambot.messages import utc_now

_SWEEP_EVERY_S = 1.0
_QUIET = timedelta(seconds=5)
"""How long a dispatch may take before another one is made."""
_MOST_AT_ONCE = 500
_FULL_QUEUE = 2_000
"""With so many conversations on the queue Redis has lost nothing: they wait their turn."""
_ALONE = 8
"""Conversations at once while Redis is away."""
_FORGET_EVERY_S = 3600.0
_PENDING = Gauge("salambot_inbox_pending", "Messages that wait for their reply")
_OLDEST = Gauge("salambot_inbox_oldest_seconds", "For how long the oldest of them has waited")
_QUEUED = Gauge("salambot_queue_depth", "Conversations on the queue")
_log = structlog.get_logger(__name__)


class Chores:
    """Each method runs until it is cancelled, whatever fails meanwhile: nobody starts a chore again that ended."""

    def __init__(self, inbox: Inbox, consumer: Consumer, dispatcher: Dispatcher, handler: Handler) -> None:
        self._inbox = inbox
        self._consumer = consumer
        self._dispatcher = dispatcher
        self._handler = handler
        self._alone: dict[Conversation, asyncio.Task[None]] = {}

    async def sweep(self) -> None:
        """Dispatch again what is stored and not done; work without the queue while there is none."""
        while True:
            with _surviving("nothing is swept"):
                depth = await self._measure()
                if depth is None or depth < _FULL_QUEUE:
                    await self._sweep_once(has_queue=depth is not None)
            await asyncio.sleep(_SWEEP_EVERY_S)

    async def hold(self) -> None:
        """Keep the claims of this worker alive."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            with _surviving("claims run out"):
                await self._inbox.hold()

    async def forget(self) -> None:
        """Delete what is old, now and every hour."""
        while True:
            with _surviving("nothing is forgotten"):
                if forgotten := await self._inbox.forget(utc_now()):
                    _log.info("old messages are forgotten", messages=forgotten)
            await asyncio.sleep(_FORGET_EVERY_S)

    async def _measure(self) -> int | None:
        load, depth = await self._inbox.load(), await self._consumer.depth()
        if self._dispatcher.is_failing:  # a Redis that is full answers questions, and takes nothing
            depth = None
        _PENDING.set(load.pending)
        _OLDEST.set(load.oldest_s)
        _QUEUED.set(depth or 0)
        return depth

    async def _sweep_once(self, *, has_queue: bool) -> None:
        room = _MOST_AT_ONCE if has_queue else _ALONE - len(self._alone)
        if room <= 0:
            return
        due = await self._inbox.due(room, _QUIET)
        if has_queue:
            self._dispatcher.put(due)
            return
        for conversation in due:
            if conversation not in self._alone:
                task = asyncio.create_task(self._alone_with(conversation))
                self._alone[conversation] = task
                task.add_done_callback(lambda _, one=conversation: self._alone.pop(one, None))  # type: ignore[misc]

    async def _alone_with(self, conversation: Conversation) -> None:
        with _surviving("a conversation waits"):
            await self._handler(conversation)


@contextmanager
def _surviving(consequence: str) -> Iterator[None]:
    """Note a failure, and go on: the next round may succeed."""
    try:
        yield
    except DatabaseUnavailable as error:
        _log.warning("postgres is away", consequence=consequence, exc_info=error)
    except Exception as error:  # noqa: BLE001 - a worker that ends answers nobody; the record names the defect
        _log.error("a chore failed", consequence=consequence, exc_info=error)
