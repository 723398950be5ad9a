"""The Prometheus metrics that every service has; a service declares its own beside its code."""

from prometheus_client import Counter, Histogram

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
