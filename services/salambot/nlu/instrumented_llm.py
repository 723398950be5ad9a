"""Metrics of replies: how many, by whom, how long and how many tokens."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cache

from opentelemetry.trace import Span
from prometheus_client import Counter, Histogram

from salambot.core import tracing
from salambot.core.metrics import BUCKETS, TimedHistogram
from salambot.core.schemas import ComposeRequest, Reply, ReplyCompleted, ReplyDelta, ReplyFailed
from salambot.llms.base import Llm

_STEP = "compose_answer"
_REPLIES = Counter("salambot_replies", "Replies composed", ("provider", "language", "finish_reason"))
_TOKENS = Counter("salambot_llm_tokens", "Tokens, as the provider counts them", ("provider", "direction"))
_SECONDS = Histogram("salambot_llm_duration_seconds", "From question to whole reply", ("provider",), buckets=BUCKETS)


class InstrumentedLlm:
    """A provider whose replies are counted."""

    def __init__(self, llm: Llm) -> None:
        self._llm = llm

    async def reply(self, request: ComposeRequest) -> Reply:
        """Return the provider's reply."""
        started = time.perf_counter()
        with tracing.start_step(_STEP) as span:
            reply = await self._llm.reply(request)
            _count(reply, started, span)
        return reply

    async def stream(self, request: ComposeRequest) -> AsyncGenerator[ReplyDelta | ReplyCompleted | ReplyFailed, None]:
        """Yield the provider's events."""
        started = time.perf_counter()
        span = tracing.start_span(_STEP)
        try:
            async with aclosing(self._llm.stream(request)) as events:
                with tracing.use_span(span):
                    event = await anext(events, None)
                while event is not None:
                    if isinstance(event, ReplyCompleted):
                        _count(event.reply, started, span)
                    yield event
                    event = await anext(events, None)
        finally:
            span.end()

    async def aclose(self) -> None:
        """Close the provider."""
        await self._llm.aclose()


@cache
def _timing(provider: str) -> TimedHistogram:
    return TimedHistogram(_SECONDS.labels(provider))


def _count(reply: Reply, started: float, span: Span) -> None:
    span.set_attributes({"salambot.provider": reply.provider, "salambot.finish_reason": reply.finish_reason})
    _REPLIES.labels(reply.provider, reply.language, reply.finish_reason).inc()
    _TOKENS.labels(reply.provider, "input").inc(reply.usage.input_tokens)
    _TOKENS.labels(reply.provider, "output").inc(reply.usage.output_tokens)
    _timing(reply.provider).observe(time.perf_counter() - started)
