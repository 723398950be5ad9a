"""The three signals of one process: their queues, and the exporters behind these."""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import structlog
from opentelemetry._logs import Logger
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import SpanKind, Status, StatusCode

from salambot.core import logs, tracing
from salambot.core.health import current_version
from salambot.core.metrics import service_families
from salambot.telemetry.commands import CommandSpan
from salambot.telemetry.exporters import SignalExporters, local_exporters, otlp_exporters
from salambot.telemetry.log_records import to_otlp
from salambot.telemetry.metrics_exporter import PeriodicMetricExporter
from salambot.telemetry.processors import DroppingLogProcessor, DroppingSpanProcessor
from salambot.telemetry.provider_per_service import set_provider
from salambot.telemetry.sampling import BURST, TRACES_PER_SECOND, OnlyRequests, RateLimitedSampler
from salambot.telemetry.self_metrics import DROPPED
from salambot.telemetry.settings import TelemetrySettings

_MAX_VALUE_LENGTH = 1024
_ORDINARY = frozenset({"debug", "info"})
_left = DROPPED.labels("logs", "not_sampled")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Exporters:
    """The telemetry pipeline of one service, until `stop`."""

    tracers: TracerProvider
    loggers: LoggerProvider
    series: PeriodicMetricExporter
    spans: DroppingSpanProcessor

    def report(self, span: CommandSpan) -> None:
        """Export the root span of a command, which is a service of its own."""
        self.spans.on_end(
            ReadableSpan(
                f"salambot {span.command}",
                context=span.context(),
                resource=self.tracers.resource.merge(Resource({"service.name": "salambot"})),
                kind=SpanKind.INTERNAL,
                status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
                start_time=span.started_ns,
                end_time=max(span.started_ns, span.ended_ns),
            )
        )

    def stop(self, within_s: float) -> None:
        """Flush all three at once; whoever is not done in time is left behind with its process."""
        logs.set_log_exporter(_service_of(self.tracers.resource), None)
        ways = (self.tracers.shutdown, self.loggers.shutdown, self.series.stop)
        threads = [threading.Thread(target=way, daemon=True) for way in ways]
        for thread in threads:
            thread.start()
        ends = time.monotonic() + within_s
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            _log.warning("telemetry is not all delivered: its receiver was too slow at the end")


def configure(settings: TelemetrySettings, service: str) -> Exporters:
    """Export what a service does from now on, and instrument its libraries."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    exporters = build_providers(_sinks(settings, service), _resource(settings, service))
    set_provider(service, exporters.tracers)
    logger = exporters.loggers.get_logger("salambot")
    logs.set_log_exporter(service, partial(_ship, logger))
    from salambot.telemetry.instrumentation import instrument

    instrument(service)
    return exporters


def _ship(logger: Logger, event: Mapping[str, object]) -> None:
    """Send a line on, unless it is an ordinary one of a request that is not recorded: it stays in the log."""
    if event.get("level") in _ORDINARY and not tracing.is_recorded():
        _left.inc()
    else:
        logger.emit(to_otlp(event))


def build_providers(sinks: SignalExporters, resource: Resource) -> Exporters:
    """Put queues before the sinks; nothing uses them yet."""
    tracers = TracerProvider(
        sampler=None if os.environ.get("OTEL_TRACES_SAMPLER") else ParentBased(_reservoir()),
        resource=resource,
        shutdown_on_exit=False,
        # An exception's text may quote a customer: its type is an attribute, and there are no events.
        span_limits=SpanLimits(max_events=0, max_attribute_length=_MAX_VALUE_LENGTH),
    )
    tracers.sampler = OnlyRequests(tracers.sampler)
    spans = DroppingSpanProcessor(sinks.spans)
    tracers.add_span_processor(spans)
    loggers = LoggerProvider(resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(DroppingLogProcessor(sinks.logs))
    series = PeriodicMetricExporter(sinks.metrics, resource, partial(service_families, _service_of(resource)))
    return Exporters(tracers, loggers, series, spans)


def _service_of(resource: Resource) -> str:
    return str(resource.attributes["service.name"])


def _reservoir() -> RateLimitedSampler:
    return RateLimitedSampler(lasting=BURST, a_second=TRACES_PER_SECOND)


def _sinks(settings: TelemetrySettings, service: str) -> SignalExporters:
    if settings.destination == "local" and settings.redis_url is not None:
        return local_exporters(service, settings.redis_url.get_secret_value())
    return otlp_exporters(service)


def _resource(settings: TelemetrySettings, service: str) -> Resource:
    """Each service has its own name; OTEL_SERVICE_NAME, which is one for all of them, is their namespace."""
    return Resource.create(
        {
            "service.name": service,
            "service.namespace": settings.otel_service_name or "salambot",
            "service.version": current_version(),
            "deployment.environment.name": settings.env,
        }
    )
