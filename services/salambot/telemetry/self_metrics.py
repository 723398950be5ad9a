"""Metrics about the telemetry pipeline itself."""

from typing import Literal

from prometheus_client import Counter

Signal = Literal["traces", "metrics", "logs"]

EXPORTED = Counter("salambot_telemetry_exported", "Spans, series and log records that were delivered", ("signal",))
DROPPED = Counter("salambot_telemetry_dropped", "Those that were lost, and why", ("signal", "reason"))
