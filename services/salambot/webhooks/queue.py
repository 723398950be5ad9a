"""The queue of conversations to process. Redis may lose it; Postgres holds the truth."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from salambot.webhooks.streaq_worker import EventStoppedWorker

Conversation = tuple[str, str, str]
"""tenant, channel, party."""
Handler = Callable[[Conversation], Awaitable[None]]

_TASK = "converse"
_PAUSE_SECONDS = 1.0
_FAILING_SECONDS = 10.0
"""For how long after a refused dispatch the sweeper does without the queue, before it tries again."""
_LINGER_SECONDS = 0.01
_MAX_WAITING = 20_000
_MAX_AT_ONCE = 500
_log = structlog.get_logger(__name__)


def _engine(redis_url: str, *, concurrency: int = 1, grace_s: int = 0) -> "EventStoppedWorker":
    engine: EventStoppedWorker = import_module("salambot.webhooks.streaq_worker").EventStoppedWorker(
        redis_url, concurrency=concurrency, grace_s=grace_s
    )
    return engine


class Dispatcher:
    """Enqueues conversations in the background, in batches. Failures are dropped: maintenance dispatches again."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._waiting: asyncio.Queue[Conversation] = asyncio.Queue(_MAX_WAITING)
        self._failed_at = -math.inf

    @property
    def is_failing(self) -> bool:
        """Return whether Redis refused a dispatch lately."""
        return time.monotonic() - self._failed_at < _FAILING_SECONDS

    def put(self, conversations: Iterable[Conversation]) -> None:
        """Enqueue soon."""
        with suppress(asyncio.QueueFull):
            for conversation in conversations:
                self._waiting.put_nowait(conversation)

    async def run(self) -> None:
        """Enqueue until cancelled."""
        while True:
            first = await self._next()
            engine = await asyncio.to_thread(_engine, self._redis_url)
            try:
                async with engine:
                    while True:
                        await _enqueue(engine, [first, *self._more()])
                        first = await self._next()
            except Exception as error:  # noqa: BLE001 - Redis may fail in any way: the sweeper makes up for it
                self._failed_at = time.monotonic()
                _log.warning("redis takes no dispatch; the sweeper will see to it", exc_info=error)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _next(self) -> Conversation:
        """Wait for one conversation and briefly for more: a batch costs little more than one."""
        first = await self._waiting.get()
        await asyncio.sleep(_LINGER_SECONDS)
        return first

    def _more(self) -> list[Conversation]:
        return [self._waiting.get_nowait() for _ in range(min(self._waiting.qsize(), _MAX_AT_ONCE))]


async def _enqueue(engine: "EventStoppedWorker", conversations: list[Conversation]) -> None:
    # A conversation that is named twice in one go is dispatched once.
    await engine.enqueue_many([engine.enqueue_unsafe(_TASK, *one) for one in dict.fromkeys(conversations)])


class Consumer:
    """Dequeues conversations; any number of machines may run it."""

    def __init__(self, redis_url: str, handler: Handler, *, concurrency: int, grace_s: int) -> None:
        self._redis_url = redis_url
        self._handler = handler
        self._concurrency = concurrency
        self._grace_s = grace_s
        self._engine: EventStoppedWorker | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish current tasks within the grace period."""
        while not stopping.is_set():
            self._engine = self._make_engine(stopping)
            try:
                await self._engine.run_async()
            except Exception as error:  # noqa: BLE001 - Redis may fail in any way, and comes back
                _log.warning("redis is away, the queue stands still", exc_info=error)
            finally:
                self._engine = None
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _PAUSE_SECONDS)

    async def depth(self) -> int | None:
        """Return the queue length; None while Redis is down."""
        return await self._engine.depth() if self._engine is not None else None

    def _make_engine(self, stopping: asyncio.Event) -> "EventStoppedWorker":
        engine = _engine(self._redis_url, concurrency=self._concurrency, grace_s=self._grace_s)
        engine.stopping = stopping

        async def converse(tenant: str, channel: str, party: str) -> None:
            await self._handler((tenant, channel, party))

        # No results and no retries here: how a message ended stands in Postgres, and the sweeper sees to the rest.
        engine.task(name=_TASK, max_tries=None, silent=True, ttl=0)(converse)
        return engine
