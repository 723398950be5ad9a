"""Which traces are recorded: all in ordinary times, some in a rush, the command's own always."""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from salambot.telemetry.sampling import OnlyRequests, RateLimitedSampler


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def recorded(provider: TracerProvider, times: int, parent: Context | None = None) -> int:
    tracer = provider.get_tracer("test")
    spans = [tracer.start_span("request", context=parent or Context(), kind=SpanKind.SERVER) for _ in range(times)]
    return sum(span.is_recording() for span in spans)


def test_a_rush_is_recorded_in_part_and_the_bucket_fills_again() -> None:
    clock = Clock()
    sampler = ParentBased(RateLimitedSampler(lasting=10, a_second=2, clock=clock))
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    assert recorded(provider, 100) == 10
    clock.now = 3.0
    assert recorded(provider, 100) == 6
    clock.now = 1000.0
    assert recorded(provider, 100) == 10


def test_who_asks_for_a_record_gets_it_in_a_rush_too() -> None:
    provider = TracerProvider(sampler=ParentBased(RateLimitedSampler(lasting=0, a_second=0)), shutdown_on_exit=False)
    caller = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    assert recorded(provider, 1) == 0
    assert recorded(provider, 1, set_span_in_context(NonRecordingSpan(caller), Context())) == 1


def test_a_call_that_nobodys_request_makes_begins_no_trace() -> None:
    provider = TracerProvider(sampler=OnlyRequests(ALWAYS_ON), shutdown_on_exit=False)
    tracer = provider.get_tracer("test")
    assert not tracer.start_span("PING", context=Context(), kind=SpanKind.CLIENT).is_recording()
    with tracer.start_as_current_span("request", kind=SpanKind.SERVER) as request:
        assert request.is_recording()
        assert tracer.start_span("GET", kind=SpanKind.CLIENT).is_recording()
