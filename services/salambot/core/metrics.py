"""The Prometheus metrics that every service has; a service declares its own beside its code."""

import time
from collections.abc import Iterator, Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from salambot.core import process_services, tracing

_EXEMPLAR_EVERY_SECONDS = 1.0

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
"""In seconds. LLM calls may take a minute."""

REQUESTS = Counter("salambot_http_requests", "Requests answered", ("service", "route", "status"))
DURATION = Histogram(
    "salambot_http_request_duration_seconds",
    "From the request received to its answer sent",
    ("service", "route", "status"),
    buckets=BUCKETS,
)
TTFB = Histogram(
    "salambot_ttfb_seconds",
    "From the request received to the first reply.delta or the first byte of the body",
    ("service", "route"),
    buckets=BUCKETS,
)


class TimedHistogram:
    """One histogram series whose buckets carry an exemplar about once a second."""

    def __init__(self, series: Histogram) -> None:
        self._series = series
        self._due = 0.0

    def observe(self, seconds: float) -> None:
        """Record a duration, with the current trace as exemplar."""
        now = time.monotonic()
        if now < self._due:
            self._series.observe(seconds)
            return
        self._due = now + _EXEMPLAR_EVERY_SECONDS
        self._series.observe(seconds, tracing.exemplar())


_OWNERS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("salambot_webhook", "salambot_requests_under_way"),
    "orchestrateur": ("salambot_hot_state",),
    "nlu": ("salambot_replies", "salambot_llm"),
    "rag": ("salambot_retrieval", "salambot_embedding"),
}
"""Metric name prefixes by service, for metrics without a `service` label."""


def service_families(service: str) -> Iterator[Metric]:
    """Yield the metrics of a service. Process-wide metrics belong to the first service of the process."""
    services = process_services.hosted_services()
    if len(services) < 2:
        yield from REGISTRY.collect()
        return
    anybodys = service if service == services[0] else ""
    for family in REGISTRY.collect():
        owner = next((name for name, starts in _OWNERS.items() if family.name.startswith(starts)), anybodys)
        family.samples = [sample for sample in family.samples if sample.labels.get("service", owner) == service]
        if family.samples:
            yield family


class ServiceRegistry:
    """The metrics of one service, as a collector registry for the exposition."""

    def __init__(self, service: str) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        return service_families(self._service)


def exposition(registry: CollectorRegistry | ServiceRegistry, accept: str | None) -> tuple[bytes, str]:
    """Return the metrics and their content type: OpenMetrics with exemplars if accepted, else plain text."""
    encode, content_type = choose_encoder(accept or "")
    return encode(registry), content_type
