"""The streaq worker. Its import costs 20 MB and half a second, so `queue` imports it on demand."""

import asyncio
import logging

import orjson
from anyio import CancelScope, current_time
from coredis.exceptions import RedisError
from streaq import Worker

from salambot_contracts.redis_url import parse_redis_url

_QUEUE = "salambot-webhooks"
_IDLE_SECONDS = 20
"""Seconds after which another worker takes over the task of a killed worker."""
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 2.0


class EventStoppedWorker(Worker[None]):
    """A streaq worker that stops by an event: signals belong to the process."""

    def __init__(self, redis_url: str, *, concurrency: int = 1, grace_s: int = 0, queue: str = _QUEUE) -> None:
        logging.getLogger("streaq").setLevel(logging.ERROR)
        super().__init__(
            redis_url=parse_redis_url(redis_url).text(),
            redis_kwargs={"connect_timeout": _CONNECT_SECONDS, "decode_components": True},
            queue_name=queue,
            concurrency=concurrency,
            serializer=orjson.dumps,
            deserializer=orjson.loads,
            idle_timeout=_IDLE_SECONDS,
            grace_period=grace_s,
        )
        self.stopping = asyncio.Event()
        self.started = asyncio.Event()
        """Set once Redis has answered."""

    async def depth(self) -> int | None:
        """Return the number of queued tasks; None while Redis does not answer."""
        if not self.started.is_set():
            return None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self.queue_size()
        except (RedisError, OSError, RuntimeError):  # the last is what a pool says once it is closed
            return None

    async def signal_handler(self, scope: CancelScope) -> None:
        """Wait for the event instead of a signal, then finish current tasks within the grace period."""
        self.started.set()
        await self.stopping.wait()
        scope.cancel("stopping")
        deadline = current_time() + self.grace_period
        for running in self._cancel_scopes.values():
            running.deadline = min(running.deadline, deadline)
