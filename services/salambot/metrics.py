"""The Prometheus metrics that every service has; a service declares its own beside its code."""

import time
from collections.abc import Iterator, Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from salambot import sharing, tracing

_EXEMPLAR_EVERY_S = 1.0

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Seconds; up to a minute, because an LLM may take that long."""

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


class Timing:
    """One series of a histogram whose buckets name a trace each second or so: a point on a graph leads to a request."""

    def __init__(self, series: Histogram) -> None:
        self._series = series
        self._due = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration, of the request under way."""
        now = time.monotonic()
        if now < self._due:
            self._series.observe(seconds)
            return
        self._due = now + _EXEMPLAR_EVERY_S
        self._series.observe(seconds, tracing.exemplar())


_OWNERS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("salambot_webhook", "salambot_requests_under_way"),
    "orchestrateur": ("salambot_hot_state",),
    "nlu": ("salambot_replies", "salambot_llm"),
    "rag": ("salambot_retrieval", "salambot_embedding"),
}
"""How the metrics of one service begin that have no `service` among their labels."""


def families_of(service: str) -> Iterator[Metric]:
    """Yield the metrics of a service. What is of the process as a whole is told by the first of its services."""
    services = sharing.services()
    if len(services) < 2:
        yield from REGISTRY.collect()
        return
    anybodys = service if service == services[0] else ""
    for family in REGISTRY.collect():
        owner = next((name for name, starts in _OWNERS.items() if family.name.startswith(starts)), anybodys)
        family.samples = [sample for sample in family.samples if sample.labels.get("service", owner) == service]
        if family.samples:
            yield family


class Share:
    """The metrics of one service, as a registry for those who write them down."""

    def __init__(self, service: str) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        return families_of(self._service)


def exposition(registry: CollectorRegistry | Share, accept: str | None) -> tuple[bytes, str]:
    """Return the metrics and their content type: OpenMetrics, which has exemplars, to who asks so; else plain text."""
    encode, content_type = choose_encoder(accept or "")
    return encode(registry), content_type
