"""The metrics of `/metrics`, over OTLP: one truth, read every so often and translated. A request never pays for it."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Exemplar as Sampled
from prometheus_client.samples import Sample

from salambot.telemetry.exporters import CountingMetricExporter

_EVERY_SECONDS = 15.0
_SCOPE = InstrumentationScope("salambot")
_CUMULATIVE = AggregationTemporality.CUMULATIVE
_UNKNOWN = cast("float", None)
"""Prometheus keeps neither the least nor the most; in OTLP both may be absent."""
_Labels = tuple[tuple[str, str], ...]


class PeriodicMetricExporter:
    """Sends every OTEL_METRIC_EXPORT_INTERVAL milliseconds (15 s by default), and once more at the end."""

    def __init__(
        self, sink: CountingMetricExporter, resource: Resource, collect: Callable[[], Iterable[Family]]
    ) -> None:
        self._sink = sink
        self._collect = collect
        self._resource = resource
        self._began = time.time_ns()
        self._interval = _interval()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="salambot-series", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send the last numbers, wait until they are gone."""
        self._ending.set()
        self._thread.join()
        self._sink.shutdown()

    def _run(self) -> None:
        while not self._ending.wait(self._interval):
            self._send()
        self._send()

    def _send(self) -> None:
        metrics = list(translate(self._collect(), self._began, time.time_ns()))
        scope = ScopeMetrics(_SCOPE, metrics, "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        self._sink.export(data, sum(len(metric.data.data_points) for metric in metrics))


def _interval() -> float:
    given = os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "")
    return max(0.05, int(given) / 1000) if given.isdigit() else _EVERY_SECONDS


def translate(families: Iterable[Family], began: int, now: int) -> Iterator[Metric]:
    """Yield an OTLP metric for each family; names stay as they are, so that both ways meet in one dashboard."""
    for family in families:
        data: Sum | Gauge | Histogram | None = None
        if family.type == "counter":
            points = [_number(one, began, now) for one in family.samples if one.name.endswith("_total")]
            data = Sum(points, _CUMULATIVE, is_monotonic=True)
        elif family.type == "gauge":
            data = Gauge([_number(one, began, now) for one in family.samples])
        elif family.type == "histogram":
            data = Histogram(list(_histograms(family.samples, began, now)), _CUMULATIVE)
        if data is not None and data.data_points:
            yield Metric(family.name, family.documentation, "", data)


def _number(sample: Sample, began: int, now: int) -> NumberDataPoint:
    return NumberDataPoint(sample.labels, began, now, sample.value, _exemplars([sample]))


def _histograms(samples: Iterable[Sample], began: int, now: int) -> Iterator[HistogramDataPoint]:
    groups: dict[_Labels, dict[str, list[Sample]]] = {}
    for sample in samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        groups.setdefault(labels, {}).setdefault(sample.name.rpartition("_")[2], []).append(sample)
    for labels, parts in groups.items():
        yield _histogram(dict(labels), parts, began, now)


def _histogram(
    labels: Mapping[str, str], parts: Mapping[str, list[Sample]], began: int, now: int
) -> HistogramDataPoint:
    """Prometheus counts each bucket with those below it; OTLP counts each alone, and has one above the last bound."""
    buckets = sorted(parts["bucket"], key=lambda sample: float(sample.labels["le"]))
    below = [int(sample.value) for sample in buckets]
    counts = [count - before for count, before in zip(below, [0, *below[:-1]], strict=True)]
    return HistogramDataPoint(
        attributes=labels,
        start_time_unix_nano=began,
        time_unix_nano=now,
        count=below[-1],
        sum=parts["sum"][0].value,
        bucket_counts=counts,
        explicit_bounds=[float(sample.labels["le"]) for sample in buckets[:-1]],
        min=_UNKNOWN,
        max=_UNKNOWN,
        exemplars=_exemplars(buckets),
    )


def _exemplars(samples: Iterable[Sample]) -> list[Exemplar]:
    return [_exemplar(sample.exemplar) for sample in samples if sample.exemplar is not None]


def _exemplar(given: Sampled) -> Exemplar:
    when = int(float(given.timestamp or time.time()) * 1e9)
    span, trace = (int(given.labels.get(name, "0"), 16) for name in ("span_id", "trace_id"))
    return Exemplar({}, given.value, when, span or None, trace or None)
