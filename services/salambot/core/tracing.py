"""Request identity: correlation id and W3C trace context, across hops, log lines, responses and problems."""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from random import Random
from uuid import uuid4

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

CORRELATION_HEADER = "X-Correlation-ID"

_IDENTIFIER = re.compile(r"[!-~]{1,128}")
_correlation: ContextVar[str] = ContextVar("correlation_id", default="")
_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("salambot")
_UNRECORDED = Context({"suppress_instrumentation": True})
"""OpenTelemetry instrumentations check this key first. An unrecorded span costs as much as a recorded one."""
_NOBODY = SpanContext(0, 0, is_remote=False)
_random = Random()  # noqa: S311 - trace ids need to be unlikely to collide, not hard to guess


def correlation_id() -> str:
    """Return the correlation id of the current request, or the empty string."""
    return _correlation.get()


def correlate(identifier: str) -> None:
    """Set the correlation id of the current request (from a body's `correlation_id`)."""
    _correlation.set(identifier)


def trace_id() -> str:
    """Return the trace id of the current request: 32 lowercase hex digits, zeros outside of a request."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def is_recorded() -> bool:
    """Return whether the current span is recorded: of a sampled request, or outside of any request."""
    span = trace.get_current_span().get_span_context()
    return span.trace_flags.sampled or not span.is_valid


def exemplar() -> dict[str, str] | None:
    """Return the ids that lead from a metric to the request under way, where its trace is there to be led to.

    With telemetry off they lead to the request's log lines.
    """
    span = trace.get_current_span().get_span_context()
    is_kept = span.trace_flags.sampled or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    if not (span.is_valid and is_kept):
        return None
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}


def propagate(call: Span | None = None) -> dict[str, str]:
    """Return the headers that carry this request's ids on: `traceparent` and the correlation id.

    `call` is the span of the call that they go with, where one is recorded.
    """
    carrier: dict[str, str] = {}
    recorded = call is not None and call.is_recording()
    _propagator.inject(carrier, context=trace.set_span_in_context(call) if recorded and call else None)
    if identifier := _correlation.get():
        carrier[CORRELATION_HEADER] = identifier
    return carrier


def inject_context(call: Span) -> dict[str, str]:
    """Return the trace context and correlation id for carriers without headers, by lowercase header name."""
    return {name.lower(): value for name, value in propagate(call).items()}


def read_correlation(given: str | None) -> str | None:
    """Return a caller's correlation id when it is one: 1 to 128 printable ASCII characters."""
    return given if given is not None and _IDENTIFIER.fullmatch(given) else None


def _start_span(carrier: Mapping[str, str], *, public: bool, kind: SpanKind) -> Span:
    parent = _propagator.extract(carrier, context=Context())
    caller = trace.get_current_span(parent).get_span_context()
    if public:
        links = [Link(caller)] if caller.is_valid else None
        span = _tracer.start_span("request", context=Context(), kind=kind, links=links)
    elif caller.is_valid and not caller.trace_flags.sampled:
        return NonRecordingSpan(_next_ids(caller))  # as the SDK would decide, only later
    else:
        span = _tracer.start_span("request", context=parent, kind=kind)
    return span if span.is_recording() else NonRecordingSpan(_next_ids(_NOBODY if public else caller))


def _quiet_span(carrier: Mapping[str, str], *, public: bool) -> Span:
    caller = trace.get_current_span(_propagator.extract(carrier, context=Context())).get_span_context()
    return NonRecordingSpan(_next_ids(_NOBODY if public else caller))


def start_span(name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes = None) -> Span:
    """Start a span that the caller ends.

    It becomes the parent only inside `use_span`. Free if the request is not recorded.
    """
    if not trace.get_current_span().is_recording():
        return trace.INVALID_SPAN
    return _tracer.start_span(name, kind=kind, attributes=attributes)


@contextmanager
def use_span(span: Span) -> Iterator[Span]:
    """Make a span current for a block; an exception is recorded by its type, never its message.

    Not around a `yield` in a generator: the caller's code would run inside the block.
    """
    if not span.is_recording():
        yield span
        return
    attached = context.attach(trace.set_span_in_context(span))
    try:
        yield span
    except BaseException as error:
        record_error(span, type(error).__name__)
        raise
    finally:
        context.detach(attached)


@contextmanager
def start_step(name: str, attributes: Attributes = None) -> Iterator[Span]:
    """Run a block in a span of its own."""
    span = start_span(name, attributes=attributes)
    try:
        with use_span(span):
            yield span
    finally:
        span.end()


def record_error(span: Span, kind: str) -> None:
    """Mark a span as failed, with an error type, a status or a code."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


def _next_ids(parent: SpanContext) -> SpanContext:
    """Continue or start a trace context without an SDK: responses carry ids whether or not telemetry is exported."""
    return SpanContext(
        trace_id=parent.trace_id if parent.is_valid else _random.getrandbits(128) or 1,
        span_id=_random.getrandbits(64) or 1,
        is_remote=False,
        trace_flags=parent.trace_flags,
        trace_state=parent.trace_state,
    )


@contextmanager
def request_trace(
    carrier: Mapping[str, str], *, public: bool, kind: SpanKind = SpanKind.SERVER, quiet: bool = False
) -> Iterator[Span]:
    """Run one request in its trace.

    The public edge starts a new trace linked to the caller's. `carrier` holds headers by lowercase name. A `quiet`
    request has ids and no span.
    """
    span = _quiet_span(carrier, public=public) if quiet else _start_span(carrier, public=public, kind=kind)
    given = read_correlation(carrier.get(CORRELATION_HEADER.lower()))
    correlation = _correlation.set(given or f"corr_{uuid4().hex}")
    around = Context() if span.is_recording() else _UNRECORDED
    attached = context.attach(trace.set_span_in_context(span, around))
    try:
        yield span
    finally:
        context.detach(attached)
        _correlation.reset(correlation)
        span.end()


def local_call_span(call: Span) -> AbstractContextManager[Span]:
    """Run a call within this process in a request context of its own if the call is recorded."""
    return request_trace(inject_context(call), public=False) if call.is_recording() else nullcontext(trace.INVALID_SPAN)
