"""Where telemetry goes: exporters of the SDK, each counted and watched, over OTLP or into this environment's Redis."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from salambot.telemetry.counting import DROPPED, EXPORTED, Signal
from salambot.telemetry.scrubbing import scrubbed
from salambot.telemetry.watching import Watch, Wire

_SOON_MS = 1000.0
_EVERY_MS = 5000.0
"""Each delivery by HTTP costs its process some milliseconds, whatever is in it. OTEL_BSP_SCHEDULE_DELAY overrides."""
_Item = TypeVar("_Item")
Deliver = Callable[[Sequence[_Item]], bool]
"""Sends a batch; False when it is lost."""


class _Outlet(Generic[_Item]):
    """Counts what is delivered and what is lost, and has the watch say so."""

    def __init__(self, signal: Signal, deliver: Deliver[_Item], trouble: Callable[[], str], watch: Watch) -> None:
        self.every_ms = watch.every_ms
        self._signal: Signal = signal
        self._deliver = deliver
        self._trouble = trouble
        self._watch = watch
        self._exported = EXPORTED.labels(signal)
        self._lost = DROPPED.labels(signal, "export_failed")

    def send(self, batch: Sequence[_Item], count: int) -> bool:
        done = self._deliver(batch)
        (self._exported if done else self._lost).inc(count)
        self._watch.note(self._signal, "" if done else self._trouble() or "its receiver does not take it")
        return done


class SpanSink(SpanExporter):
    """Spans, without what an error says."""

    def __init__(self, outlet: _Outlet[ReadableSpan], close: Callable[[], None]) -> None:
        self.taken = 0
        """How many came out of the queue so far."""
        self.every_ms = outlet.every_ms
        self._outlet = outlet
        self._close = close

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Deliver a batch."""
        self.taken += len(spans)
        done = self._outlet.send([scrubbed(span) for span in spans], len(spans))
        return SpanExportResult.SUCCESS if done else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Give up what is under way."""
        self._close()


class LogSink(LogRecordExporter):
    """Log records, redacted where they were written."""

    def __init__(self, outlet: _Outlet[ReadableLogRecord], close: Callable[[], None]) -> None:
        self.taken = 0
        """How many came out of the queue so far."""
        self.every_ms = outlet.every_ms
        self._outlet = outlet
        self._close = close

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Deliver a batch."""
        self.taken += len(batch)
        done = self._outlet.send(batch, len(batch))
        return LogRecordExportResult.SUCCESS if done else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        """Give up what is under way."""
        self._close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is kept here."""
        del timeout_millis
        return True


class MetricSink:
    """Snapshots of the metrics."""

    def __init__(self, outlet: _Outlet[MetricsData], close: Callable[[], None]) -> None:
        self._outlet = outlet
        self.shutdown = close

    def export(self, data: MetricsData, series: int) -> bool:
        """Deliver one snapshot of so many series."""
        return self._outlet.send([data], series)


@dataclass(frozen=True)
class Sinks:
    """One a signal."""

    spans: SpanSink
    logs: LogSink
    metrics: MetricSink


def otlp_sinks(service: str) -> Sinks:
    """Return exporters that are configured by the standard variables, with http/protobuf."""
    for name in ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # each failed batch a line: the watch says it once
    watch = Watch(service, every_ms=_every_ms())
    watch.check_protocol(os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL"))
    wires = Wire(), Wire(), Wire()
    spans = OTLPSpanExporter(session=wires[0])
    logs = OTLPLogExporter(session=wires[1])
    metrics = OTLPMetricExporter(session=wires[2])
    return Sinks(
        SpanSink(
            _Outlet(
                "traces", lambda batch: spans.export(batch) is SpanExportResult.SUCCESS, _trouble_of(wires[0]), watch
            ),
            spans.shutdown,
        ),
        LogSink(
            _Outlet(
                "logs", lambda batch: logs.export(batch) is LogRecordExportResult.SUCCESS, _trouble_of(wires[1]), watch
            ),
            logs.shutdown,
        ),
        MetricSink(
            _Outlet(
                "metrics",
                lambda batch: metrics.export(batch[0]) is MetricExportResult.SUCCESS,
                _trouble_of(wires[2]),
                watch,
            ),
            metrics.shutdown,
        ),
    )


def _every_ms() -> float:
    given = os.environ.get("OTEL_BSP_SCHEDULE_DELAY", "")
    return float(given) if given.isdigit() and int(given) else _EVERY_MS


def local_sinks(service: str, redis_url: str) -> Sinks:
    """Return what keeps telemetry in Redis; a connection a signal, because each has a thread."""
    from salambot.telemetry.shelf import Shelf

    watch = Watch(service, every_ms=_SOON_MS)
    spans, logs, metrics = Shelf(redis_url), Shelf(redis_url), Shelf(redis_url)
    return Sinks(
        SpanSink(_Outlet("traces", spans.put_spans, lambda: spans.trouble, watch), spans.close),
        LogSink(_Outlet("logs", logs.put_records, lambda: logs.trouble, watch), logs.close),
        MetricSink(_Outlet("metrics", metrics.put_series, lambda: metrics.trouble, watch), metrics.close),
    )


def _trouble_of(wire: Wire) -> Callable[[], str]:
    return lambda: wire.trouble
