"""Bounded queues between requests and exporters: what does not fit is dropped and counted; no request waits."""

from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from salambot.telemetry.exporters import CountingLogExporter, CountingSpanExporter
from salambot.telemetry.self_metrics import DROPPED

MAX_WAITING = 8192
_BATCH = 512
_lost_spans = DROPPED.labels("traces", "queue_full")
_lost_logs = DROPPED.labels("logs", "queue_full")


class DroppingSpanProcessor(BatchSpanProcessor):
    """The SDK's batches. Its own queue drops the oldest with a log line each; this one refuses and counts."""

    def __init__(self, sink: CountingSpanExporter) -> None:
        super().__init__(
            sink, max_queue_size=MAX_WAITING, max_export_batch_size=_BATCH, schedule_delay_millis=sink.every_ms
        )
        self._sink = sink
        self._accepted = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Take one span that ended."""
        if self._accepted - self._sink.taken >= MAX_WAITING:
            _lost_spans.inc()
        elif span.context is not None and span.context.trace_flags.sampled:
            self._accepted += 1
            super().on_end(span)


class DroppingLogProcessor(BatchLogRecordProcessor):
    """The same for log records."""

    def __init__(self, sink: CountingLogExporter) -> None:
        super().__init__(
            sink, max_queue_size=MAX_WAITING, max_export_batch_size=_BATCH, schedule_delay_millis=sink.every_ms
        )
        self._sink = sink
        self._accepted = 0

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take one record."""
        if self._accepted - self._sink.taken >= MAX_WAITING:
            _lost_logs.inc()
        else:
            self._accepted += 1
            super().on_emit(log_record)
