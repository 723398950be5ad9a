"""A line of the log as an OTLP log record."""

import time
from collections.abc import Mapping

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.util.types import AnyValue

_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_ELSEWHERE = frozenset({"event", "level", "service", "timestamp", "trace_id"})


def to_otlp(event: Mapping[str, object]) -> LogRecord:
    """Translate a line, redacted already; its trace is the one under way."""
    level = str(event.get("level", "info"))
    return LogRecord(
        timestamp=time.time_ns(),
        severity_text=level,
        severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
        body=str(event.get("event", "")),
        attributes={name: _plain(value) for name, value in event.items() if name not in _ELSEWHERE},
    )


def _plain(value: object) -> AnyValue:
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if value is None else str(value)
