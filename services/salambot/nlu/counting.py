"""Metrics of replies: how many, by whom, how long and how many tokens."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from prometheus_client import Counter, Histogram

from salambot.llms.base import Llm
from salambot.messages import Completed, ComposeRequest, Delta, Failed, Reply
from salambot.metrics import BUCKETS

_REPLIES = Counter("salambot_replies", "Replies composed", ("provider", "language", "finish_reason"))
_TOKENS = Counter("salambot_llm_tokens", "Tokens, as the provider counts them", ("provider", "direction"))
_SECONDS = Histogram("salambot_llm_duration_seconds", "From question to whole reply", ("provider",), buckets=BUCKETS)


class Counted:
    """A provider whose replies are counted."""

    def __init__(self, llm: Llm) -> None:
        self._llm = llm

    async def reply(self, request: ComposeRequest) -> Reply:
        """Return the provider's reply."""
        started = time.perf_counter()
        reply = await self._llm.reply(request)
        _count(reply, started)
        return reply

    async def stream(self, request: ComposeRequest) -> AsyncGenerator[Delta | Completed | Failed, None]:
        """Yield the provider's events."""
        started = time.perf_counter()
        async with aclosing(self._llm.stream(request)) as events:
            async for event in events:
                if isinstance(event, Completed):
                    _count(event.reply, started)
                yield event

    async def aclose(self) -> None:
        """Close the provider."""
        await self._llm.aclose()


def _count(reply: Reply, started: float) -> None:
    _REPLIES.labels(reply.provider, reply.language, reply.finish_reason).inc()
    _TOKENS.labels(reply.provider, "input").inc(reply.usage.input_tokens)
    _TOKENS.labels(reply.provider, "output").inc(reply.usage.output_tokens)
    _SECONDS.labels(reply.provider).observe(time.perf_counter() - started)
