"""Traces, metrics and logs on their way out: nothing of OpenTelemetry's SDK is loaded while telemetry is off."""

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from salambot.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from salambot.telemetry.commands import CommandSpan

STOP_SECONDS = 2.0
"""How long what is pending may take to leave when a process ends."""


class Exporting(Protocol):
    """A running telemetry pipeline."""

    def report(self, span: "CommandSpan") -> None:
        """Export a span that another program made."""
        ...

    def stop(self, within_s: float) -> None:
        """Send what is pending, for at most so many seconds."""
        ...


_running: dict[str, Exporting] = {}
"""By the service they are of: a process may hold several."""


def start(service: str) -> None:
    """Begin to export as the environment says; once a service, and not at all with telemetry off."""
    settings = TelemetrySettings()
    if settings.destination != "off" and service not in _running:
        _running[service] = import_module("salambot.telemetry.setup").configure(settings, service)


def report(span: "CommandSpan") -> bool:
    """Export the span of a command with our own; False with telemetry off."""
    for exporting in _running.values():
        exporting.report(span)
        return True
    return False


def stop(service: str) -> None:
    """Flush: at most STOP_S seconds, whatever the receiver does. Blocks: call it off the event loop."""
    if (exporting := _running.pop(service, None)) is not None:
        exporting.stop(STOP_SECONDS)
