"""Spans of each service of a process go to the provider of that service: it says whose they are."""

from contextlib import AbstractContextManager

from opentelemetry import trace
from opentelemetry.trace import Span
from opentelemetry.util.types import Attributes

from salambot.core import process_services

_providers: dict[str, trace.TracerProvider] = {}
_NOBODY = trace.NoOpTracerProvider()


def set_provider(service: str, provider: trace.TracerProvider) -> None:
    """Have the spans of a service made by this provider from now on."""
    if not _providers:
        trace.set_tracer_provider(_ByService())
    _providers[service] = provider


class _ByService(trace.TracerProvider):
    """The provider of the process: OpenTelemetry knows one."""

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> trace.Tracer:
        """Return a tracer of whichever service is at work when a span begins."""
        return _Tracer(instrumenting_module_name, instrumenting_library_version, schema_url, attributes)


class _Tracer(trace.Tracer):
    def __init__(self, name: str, version: str | None, schema_url: str | None, attributes: Attributes) -> None:
        self._made_of = (name, version, schema_url, attributes)
        self._of: dict[str, trace.Tracer] = {}

    def _tracer(self) -> trace.Tracer:
        service = process_services.current_service(next(iter(_providers)))
        tracer = self._of.get(service)
        if tracer is None:
            tracer = self._of[service] = _providers.get(service, _NOBODY).get_tracer(*self._made_of)
        return tracer

    def start_span(self, *given: object, **named: object) -> Span:
        """Begin a span of the service at work."""
        return self._tracer().start_span(*given, **named)  # type: ignore[arg-type] # passed on as it came

    def start_as_current_span(self, *given: object, **named: object) -> AbstractContextManager[Span]:  # type: ignore[override] # theirs has a private name
        """Begin one, and work in it."""
        return self._tracer().start_as_current_span(*given, **named)  # type: ignore[arg-type] # as above
