"""`telemetry = "local"`: the last traces, logs and metrics, in bounded streams of the environment's own Redis."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import orjson
import redis
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricsData, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from salambot.telemetry.self_metrics import Signal
from salambot_contracts.redis_url import parse_redis_url

MAX_ENTRIES: Mapping[Signal, int] = {"traces": 20_000, "logs": 20_000, "metrics": 500}
"""Spans, records and snapshots of one service; with all of them Redis holds some 20 MB more."""
_TIMEOUT_SECONDS = 2.0
_AT_ONCE = 200


def key_of(signal: Signal) -> str:
    """Return the stream of a signal."""
    return f"salambot:telemetry:{signal}"


class RedisTelemetryStore:
    """Writes from the exporters' threads: one that Redis does not take is lost, and counted as any other."""

    def __init__(self, redis_url: str) -> None:
        url = parse_redis_url(redis_url).text()
        self._redis = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
        )
        self.trouble = ""

    def put_spans(self, spans: Sequence[ReadableSpan]) -> bool:
        """Keep spans."""
        return self._put("traces", map(_span, spans))

    def put_records(self, records: Sequence[ReadableLogRecord]) -> bool:
        """Keep log records."""
        return self._put("logs", map(_record, records))

    def put_series(self, snapshots: Sequence[MetricsData]) -> bool:
        """Keep snapshots."""
        return self._put("metrics", map(_snapshot, snapshots))

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _put(self, signal: Signal, entries: Iterable[dict[str, object]]) -> bool:
        try:
            rest = iter(entries)
            while some := list(islice(rest, _AT_ONCE)):
                with self._redis.pipeline(transaction=False) as pipe:
                    for entry in some:
                        fields = {"json": orjson.dumps(entry, default=str)}
                        pipe.xadd(key_of(signal), fields, maxlen=MAX_ENTRIES[signal], approximate=True)  # type: ignore[arg-type] # bytes are fine
                    pipe.execute()
        except redis.RedisError as error:
            self.trouble = f"redis does not keep it: {type(error).__name__}"
            return False
        self.trouble = ""
        return True


def _span(span: ReadableSpan) -> dict[str, object]:
    context = span.context
    return {
        "trace_id": f"{context.trace_id:032x}" if context else "",
        "span_id": f"{context.span_id:016x}" if context else "",
        "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "service": span.resource.attributes.get("service.name", ""),
        "name": span.name,
        "kind": span.kind.name.lower(),
        "started_ns": span.start_time,
        "ended_ns": span.end_time,
        "failed": span.status.status_code is StatusCode.ERROR,
        "attributes": dict(span.attributes or {}),
    }


def _record(kept: ReadableLogRecord) -> dict[str, object]:
    record = kept.log_record
    return {
        "trace_id": f"{record.trace_id or 0:032x}",
        "service": kept.resource.attributes.get("service.name", ""),
        "time_ns": record.timestamp,
        "level": record.severity_text,
        "event": record.body,
        "attributes": dict(record.attributes or {}),
    }


def _snapshot(data: MetricsData) -> dict[str, object]:
    found: dict[str, object] = {}
    whole = data.resource_metrics[0]
    for metric in whole.scope_metrics[0].metrics:
        for point in metric.data.data_points:
            labels = ",".join(f"{name}={value!s}" for name, value in (point.attributes or {}).items())
            value = point.value if isinstance(point, NumberDataPoint) else {"count": point.count, "sum": point.sum}
            found[f"{metric.name}{{{labels}}}"] = value
    return {"service": whole.resource.attributes.get("service.name", ""), "series": found}
