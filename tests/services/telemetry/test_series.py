"""The metrics of `/metrics` as a receiver of OTLP decodes them: the same names, labels, numbers and exemplars."""

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from salambot.telemetry.metrics_exporter import translate
from tests.fakes.otlp_receiver import OtlpReceiver, receiving

EXEMPLAR = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}
BEGAN, NOW = 1_000, 2_000


def received(registry: CollectorRegistry) -> dict[str, Metric]:
    """Export a registry; return what arrived, by name."""
    receiver = OtlpReceiver()
    scope = ScopeMetrics(InstrumentationScope("test"), list(translate(registry.collect(), BEGAN, NOW)), "")
    with receiving(receiver) as url:
        exporter = OTLPMetricExporter(endpoint=f"{url}/v1/metrics")
        exporter.export(MetricsData([ResourceMetrics(Resource({"service.name": "shop"}), [scope], "")]))
        exporter.shutdown()
    export = receiver.exports[0]
    assert isinstance(export, ExportMetricsServiceRequest)
    return {metric.name: metric for each in export.resource_metrics[0].scope_metrics for metric in each.metrics}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_a_counter_is_a_monotonic_sum(registry: CollectorRegistry) -> None:
    counter = Counter("replies", "", ("language",), registry=registry)
    counter.labels("fr").inc(3, exemplar=EXEMPLAR)
    counter.labels("ar").inc()
    found = received(registry)["replies"].sum
    assert found.is_monotonic
    assert found.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    points = {point.attributes[0].value.string_value: point for point in found.data_points}
    assert {language: point.as_double for language, point in points.items()} == {"fr": 3, "ar": 1}
    assert (points["fr"].start_time_unix_nano, points["fr"].time_unix_nano) == (BEGAN, NOW)
    assert points["fr"].exemplars[0].trace_id.hex() == EXEMPLAR["trace_id"]


def test_a_gauge_is_a_gauge(registry: CollectorRegistry) -> None:
    Gauge("waiting", "", registry=registry).set(7)
    assert [point.as_double for point in received(registry)["waiting"].gauge.data_points] == [7]


def test_a_histogram_counts_each_bucket_alone_and_leads_to_a_trace(registry: CollectorRegistry) -> None:
    seconds = Histogram("seconds", "", ("route",), buckets=(1, 5), registry=registry)
    for value in (0.5, 0.25, 3, 60.5):
        seconds.labels("/reply").observe(value, EXEMPLAR if value > 5 else None)
    (point,) = received(registry)["seconds"].histogram.data_points
    assert list(point.explicit_bounds) == [1, 5]
    assert list(point.bucket_counts) == [2, 1, 1]
    assert (point.count, point.sum) == (4, 64.25)
    assert not point.HasField("min")
    assert not point.HasField("max")
    assert [exemplar.span_id.hex() for exemplar in point.exemplars] == [EXEMPLAR["span_id"]]
    assert point.exemplars[0].as_double == 60.5
    assert {each.key for each in point.attributes} == {"route"}
