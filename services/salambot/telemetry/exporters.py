"""Telemetry exporters: the SDK's, each counted and monitored, over OTLP or into the environment's Redis."""

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

from salambot.telemetry.delivery_health import DeliveryMonitor, ExporterSession
from salambot.telemetry.scrubbing import scrubbed
from salambot.telemetry.self_metrics import DROPPED, EXPORTED, Signal

_SOON_MILLISECONDS = 1000.0
_EVERY_MILLISECONDS = 5000.0
"""Each delivery by HTTP costs its process some milliseconds, whatever is in it. OTEL_BSP_SCHEDULE_DELAY overrides."""
_Item = TypeVar("_Item")
Deliver = Callable[[Sequence[_Item]], bool]
"""Sends a batch; False when it is lost."""


class _Outlet(Generic[_Item]):
    """Counts what is delivered and what is lost, and has the watch say so."""

    def __init__(
        self, signal: Signal, deliver: Deliver[_Item], trouble: Callable[[], str], watch: DeliveryMonitor
    ) -> None:
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
        self._watch.record(self._signal, "" if done else self._trouble() or "its receiver does not take it")
        return done


class CountingSpanExporter(SpanExporter):
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


class CountingLogExporter(LogRecordExporter):
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


class CountingMetricExporter:
    """Snapshots of the metrics."""

    def __init__(self, outlet: _Outlet[MetricsData], close: Callable[[], None]) -> None:
        self._outlet = outlet
        self.shutdown = close

    def export(self, data: MetricsData, series: int) -> bool:
        """Deliver one snapshot of so many series."""
        return self._outlet.send([data], series)


@dataclass(frozen=True)
class SignalExporters:
    """One a signal."""

    spans: CountingSpanExporter
    logs: CountingLogExporter
    metrics: CountingMetricExporter


def otlp_exporters(service: str) -> SignalExporters:
    """Return exporters that are configured by the standard variables, with http/protobuf."""
    for name in ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # each failed batch a line: the watch says it once
    watch = DeliveryMonitor(service, every_ms=_every_ms())
    watch.check_protocol(os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL"))
    wires = ExporterSession(), ExporterSession(), ExporterSession()
    spans = OTLPSpanExporter(session=wires[0])
    logs = OTLPLogExporter(session=wires[1])
    metrics = OTLPMetricExporter(session=wires[2])
    return SignalExporters(
        CountingSpanExporter(
            _Outlet(
                "traces", lambda batch: spans.export(batch) is SpanExportResult.SUCCESS, _trouble_of(wires[0]), watch
            ),
            spans.shutdown,
        ),
        CountingLogExporter(
            _Outlet(
                "logs", lambda batch: logs.export(batch) is LogRecordExportResult.SUCCESS, _trouble_of(wires[1]), watch
            ),
            logs.shutdown,
        ),
        CountingMetricExporter(
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
    return float(given) if given.isdigit() and int(given) else _EVERY_MILLISECONDS


def local_exporters(service: str, redis_url: str) -> SignalExporters:
    """Return what keeps telemetry in Redis; a connection a signal, because each has a thread."""
    from salambot.telemetry.redis_exporter import RedisTelemetryStore

    watch = DeliveryMonitor(service, every_ms=_SOON_MILLISECONDS)
    spans, logs, metrics = (
        RedisTelemetryStore(redis_url),
        RedisTelemetryStore(redis_url),
        RedisTelemetryStore(redis_url),
    )
    return SignalExporters(
        CountingSpanExporter(_Outlet("traces", spans.put_spans, lambda: spans.trouble, watch), spans.close),
        CountingLogExporter(_Outlet("logs", logs.put_records, lambda: logs.trouble, watch), logs.close),
        CountingMetricExporter(_Outlet("metrics", metrics.put_series, lambda: metrics.trouble, watch), metrics.close),
    )


def _trouble_of(wire: ExporterSession) -> Callable[[], str]:
    return lambda: wire.trouble
