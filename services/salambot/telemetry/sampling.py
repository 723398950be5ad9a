"""Which traces begin: those of requests and of work, not those of a pool's ping; and in a rush some of them.

To record a request through all services costs about half of what it costs to answer it. So a process begins at most
A_SECOND traces a second, once LASTING are used up: all of them in ordinary times, and under load a few per cent of the
time. A caller's decision is kept: the command's own traces are always recorded. OTEL_TRACES_SAMPLER decides otherwise.
"""

import time
from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from salambot.telemetry.self_metrics import DROPPED

_unrecorded = DROPPED.labels("traces", "not_sampled")


BURST = 100
TRACES_PER_SECOND = 5


class RateLimitedSampler(Sampler):
    """Records what fits into a bucket that fills up again (`clock` in seconds); the rest is counted."""

    def __init__(self, *, lasting: int, a_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(lasting)
        self._rate = a_second
        self._clock = clock
        self._room = self._most
        self._seen = clock()

    def should_sample(
        self,
        parent_context: Context | None,  # noqa: ARG002 - the SDK's signature
        trace_id: int,  # noqa: ARG002
        name: str,  # noqa: ARG002
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on one trace that begins."""
        now = self._clock()
        self._room = min(self._most, self._room + (now - self._seen) * self._rate)
        self._seen = now
        if self._room < 1:
            _unrecorded.inc()
            return SamplingResult(Decision.DROP)
        self._room -= 1
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, trace_state)

    def get_description(self) -> str:
        """Name this sampler."""
        return f"Reservoir({self._most:.0f}, {self._rate}/s)"


class OnlyRequests(Sampler):
    """Ask another sampler, except for calls that nobody's request makes: they are a trace of one span each."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on one span that begins."""
        if kind is SpanKind.CLIENT and not get_current_span(parent_context).get_span_context().is_valid:
            return SamplingResult(Decision.DROP)
        return self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Name this sampler."""
        return f"OnlyRequests({self._inner.get_description()})"
