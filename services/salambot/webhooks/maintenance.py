"""Maintenance of the inbox: redispatch lost messages, renew claims, purge old rows."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from prometheus_client import Gauge

from salambot.core.database import DatabaseUnavailableError
from salambot.core.schemas import utc_now
from salambot.webhooks.inbox import LEASE, Inbox
from salambot.webhooks.queue import Consumer, Conversation, Dispatcher, Handler

_SWEEP_EVERY_SECONDS = 1.0
_REDISPATCH_AFTER = timedelta(seconds=5)
"""How long a dispatch may take before the conversation is dispatched again."""
_MAX_AT_ONCE = 500
_QUEUE_HIGH_WATER = 2_000
"""With this many queued conversations Redis has lost nothing: they wait their turn."""
_CONCURRENCY_WITHOUT_QUEUE = 8
"""Concurrent conversations while Redis is down."""
_FORGET_EVERY_SECONDS = 3600.0
_PENDING = Gauge("salambot_inbox_pending", "Messages that wait for their reply")
_OLDEST = Gauge("salambot_inbox_oldest_seconds", "For how long the oldest of them has waited")
_QUEUED = Gauge("salambot_queue_depth", "Conversations on the queue")
_log = structlog.get_logger(__name__)


class Maintenance:
    """Each method runs until it is cancelled, whatever fails meanwhile: nobody starts a chore again that ended."""

    def __init__(self, inbox: Inbox, consumer: Consumer, dispatcher: Dispatcher, handler: Handler) -> None:
        self._inbox = inbox
        self._consumer = consumer
        self._dispatcher = dispatcher
        self._handler = handler
        self._alone: dict[Conversation, asyncio.Task[None]] = {}

    async def redispatch(self) -> None:
        """Dispatch stored messages that were lost by the queue; work without a queue while Redis is down."""
        while True:
            with _surviving("nothing is swept"):
                depth = await self._measure()
                if depth is None or depth < _QUEUE_HIGH_WATER:
                    await self._sweep_once(has_queue=depth is not None)
            await asyncio.sleep(_SWEEP_EVERY_SECONDS)

    async def renew_leases(self) -> None:
        """Renew the claims of this worker."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            with _surviving("claims run out"):
                await self._inbox.renew()

    async def purge(self) -> None:
        """Delete old rows, now and every hour."""
        while True:
            with _surviving("nothing is forgotten"):
                if forgotten := await self._inbox.purge(utc_now()):
                    _log.info("old messages are forgotten", messages=forgotten)
            await asyncio.sleep(_FORGET_EVERY_SECONDS)

    async def _measure(self) -> int | None:
        load, depth = await self._inbox.load(), await self._consumer.depth()
        if self._dispatcher.is_failing:  # a Redis that is full answers questions, and takes nothing
            depth = None
        _PENDING.set(load.pending)
        _OLDEST.set(load.oldest_s)
        _QUEUED.set(depth or 0)
        return depth

    async def _sweep_once(self, *, has_queue: bool) -> None:
        room = _MAX_AT_ONCE if has_queue else _CONCURRENCY_WITHOUT_QUEUE - len(self._alone)
        if room <= 0:
            return
        due = await self._inbox.find_due(room, _REDISPATCH_AFTER)
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
    except DatabaseUnavailableError as error:
        _log.warning("postgres is away", consequence=consequence, exc_info=error)
    except Exception as error:  # noqa: BLE001 - a worker that ends answers nobody; the record names the defect
        _log.error("a chore failed", consequence=consequence, exc_info=error)
