"""JSON log lines with the ids of the request. Errors are logged by type and place, never by message."""

import logging
import re
import sys
import traceback
from collections.abc import Callable, MutableMapping
from typing import Literal

import orjson
import structlog
from structlog.typing import ExcInfo, Processor

from salambot.core import process_services, tracing
from salambot.core.buffered_log_writer import BufferedLogWriter
from salambot.core.privacy import redact
from salambot.core.settings import LogSettings

Event = MutableMapping[str, object]
_OURS = re.compile(r"corr_[0-9a-f]{32}")
"""Correlation ids that we generate. Skipping them in the phone-number search saved a fifth of a webhook's time."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PATIENT = frozenset({"debug", "info"})
_output = BufferedLogWriter()
_shippers: dict[str, Callable[[Event], None]] = {}
_NOBODYS = frozenset({"service", "level", "timestamp", "trace_id"})


def _add_ids(_: object, __: str, event: Event) -> Event:
    if identifier := tracing.correlation_id():
        event["correlation_id"] = identifier
        event["trace_id"] = tracing.trace_id()
    return event


def _describe(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    cause = error.__cause__ or error.__context__
    return {
        "kind": f"{type(error).__module__}.{type(error).__qualname__}",
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        "caused_by": f"{type(cause).__module__}.{type(cause).__qualname__}" if cause else None,
    }


def _replace_error(_: object, __: str, event: Event) -> Event:
    given = event.pop("exc_info", None)
    error: BaseException | ExcInfo | tuple[None, None, None] | object = sys.exc_info() if given is True else given
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error"] = _describe(error)
    return event


def _redact(_: object, __: str, event: Event) -> Event:
    """Redact personal data in every log event, including those of libraries."""
    for name, value in event.items():
        if isinstance(value, str) and name not in _NOBODYS and not _OURS.fullmatch(value):
            event[name] = redact(value)
    return event


def _hurry(_: object, __: str, event: Event) -> Event:
    """Write warnings and errors at once."""
    if event.get("level") not in _PATIENT:
        _output.flush_next()
    return event


def set_log_exporter(service: str, shipper: Callable[[Event], None] | None) -> None:
    """Also pass every redacted line of a service to `shipper`; None removes it."""
    if shipper is None:
        _shippers.pop(service, None)
    else:
        _shippers[service] = shipper


def _ship(_: object, __: str, event: Event) -> Event:
    if (shipper := _shippers.get(str(event["service"]))) is not None:
        shipper(event)
    return event


def _escape(_: object, __: str, event: Event) -> Event:
    """Escape control characters, so that a log line stays one line and cannot colour a terminal."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return event


def _as_json(_: object, __: str, event: Event) -> str:
    return orjson.dumps(event, default=str).decode()


class _Output(logging.Handler):
    """Writes to where structlog's own writer does."""

    def emit(self, record: logging.LogRecord) -> None:
        _output.stream.write(self.format(record) + "\n")
        _output.stream.flush()


def configure(settings: LogSettings, service: str, output: Literal["stdout", "stderr"] = "stdout") -> None:
    """Send structlog and the standard library's loggers to an output of the process, one JSON object a line."""
    _output.name = output

    def add_service(_: object, __: str, event: Event) -> Event:
        event.setdefault(
            "service", process_services.current_service(service)
        )  # a thread knows none, and says for whom it works
        return event

    shared: list[Processor] = [
        add_service,
        _add_ids,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _replace_error,
        _redact,
        _ship,
    ]
    console = settings.log_format == "console" or (settings.log_format == "auto" and _output.stream.isatty())
    render: list[Processor] = [_escape, structlog.dev.ConsoleRenderer()] if console else [_as_json]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, _hurry, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(_output),  # type: ignore[arg-type] # it writes and flushes
        cache_logger_on_first_use=False,
    )
    handler = _Output()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render]
        )
    )
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, _Output)] + [handler]
    root.setLevel(level)
