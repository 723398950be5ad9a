"""streaq as it is used here. Importing it costs 20 MB and half a second, so only `queue` does, when it needs it."""

import asyncio
import logging

import orjson
from anyio import CancelScope, current_time
from coredis.exceptions import RedisError
from streaq import Worker

from salambot_contracts.redis_url import parse_redis_url

_QUEUE = "salambot-webhooks"
_IDLE_S = 20
"""How long a task of a worker that was killed waits for another worker."""
_CONNECT_S = 2.0
_ANSWER_S = 2.0


class Engine(Worker[None]):
    """A worker that ends by an event: the signals belong to the process."""

    def __init__(self, redis_url: str, *, concurrency: int = 1, grace_s: int = 0, queue: str = _QUEUE) -> None:
        logging.getLogger("streaq").setLevel(logging.ERROR)
        super().__init__(
            redis_url=parse_redis_url(redis_url).text(),
            redis_kwargs={"connect_timeout": _CONNECT_S, "decode_components": True},
            queue_name=queue,
            concurrency=concurrency,
            serializer=orjson.dumps,
            deserializer=orjson.loads,
            idle_timeout=_IDLE_S,
            grace_period=grace_s,
        )
        self.stopping = asyncio.Event()
        self.started = asyncio.Event()
        """Set once Redis has answered."""

    async def depth(self) -> int | None:
        """Return how many tasks are on the queue; None while Redis does not answer."""
        if not self.started.is_set():
            return None
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self.queue_size()
        except (RedisError, OSError, RuntimeError):  # the last is what a pool says once it is closed
            return None

    async def signal_handler(self, scope: CancelScope) -> None:
        """Wait for the event in place of a signal; then let tasks that run end, for the grace period."""
        self.started.set()
        await self.stopping.wait()
        scope.cancel("stopping")
        deadline = current_time() + self.grace_period
        for running in self._cancel_scopes.values():
            running.deadline = min(running.deadline, deadline)
