"""Log lines of a stack, on their way to the terminal."""

import json
import re
import sys
from collections.abc import AsyncIterator
from typing import cast

from rich.text import Text

from salambot_cli.model.environment import Environment
from salambot_cli.model.untrusted import visible
from salambot_cli.stack.runtimes.base import LogLine, Runtime
from salambot_cli.terminal.output import Output

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green")
_LEVELS = {"warning": "yellow", "error": "bold red", "critical": "bold red"}
_SHOWN_ELSEWHERE = frozenset({"event", "level", "service", "timestamp", "trace_id", "correlation_id"})


async def show_logs(
    session: Output,
    runtime: Runtime,
    environment: Environment,
    sources: tuple[str, ...],
    *,
    since: str | None,
    follow: bool,
    pattern: re.Pattern[str] | None,
) -> None:
    """Print lines as they come: on standard output, one source one colour; with --json one document a line."""
    printer = _Printer(session)
    async for line in runtime.logs(environment, sources, since=since, follow=follow):
        if pattern is None or pattern.search(line.text):
            printer.show(line)


async def show_trace_logs(
    session: Output, runtime: Runtime, environment: Environment, sources: tuple[str, ...], trace_id: str
) -> int:
    """Print what all services said of one request, in the order in which they said it; return how many lines."""
    lines = runtime.logs(environment, sources, since=None, follow=False)
    found = sorted([line async for line in _of_trace(lines, trace_id)], key=_said_at)
    printer = _Printer(session)
    for line in found:
        printer.show(line)
    return len(found)


async def _of_trace(lines: AsyncIterator[LogLine], trace_id: str) -> AsyncIterator[LogLine]:
    async for line in lines:
        if trace_id in line.text and (fields_of(line.text) or {}).get("trace_id") == trace_id:
            yield line


def _said_at(line: LogLine) -> str:
    """Return when a line was written; that it arrived says less, because each service has a pipe of its own."""
    return str((fields_of(line.text) or {}).get("timestamp", line.time))


def fields_of(text: str) -> dict[str, object] | None:
    """Return what a line of a service holds; None for what is no such line, as Postgres' are."""
    if not text.startswith("{"):
        return None
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    return cast("dict[str, object]", fields) if isinstance(fields, dict) and "event" in fields else None


class _Printer:
    def __init__(self, session: Output) -> None:
        self._session = session
        self._colours: dict[str, str] = {}
        self._pretty = sys.stdout.isatty()

    def show(self, line: LogLine) -> None:
        if self._session.machine:
            self._session.document({"time": line.time, "source": line.source, "text": line.text})
            return
        colour = self._colours.setdefault(line.source, _COLOURS[len(self._colours) % len(_COLOURS)])
        fields = fields_of(line.text) if self._pretty else None
        said = Text(visible(line.text)) if fields is None else pretty(fields)
        self._session.result(Text.assemble((f"{line.time} ", "dim"), (f"{line.source:<13} ", colour), said))


def pretty(fields: dict[str, object]) -> Text:
    """Write a line of JSON for people: what happened, then what more is known; control characters stay escaped."""
    style = _LEVELS.get(str(fields.get("level")), "")
    known = [(name, value) for name, value in fields.items() if name not in _SHOWN_ELSEWHERE]
    parts = [(f"  {name}=", "dim") for name, _ in known]
    values = [visible(json.dumps(value, ensure_ascii=False)) for _, value in known]
    said = Text(visible(json.dumps(fields["event"], ensure_ascii=False)[1:-1]), style=style)
    for label, value in zip(parts, values, strict=True):
        said.append(*label)
        said.append(value)
    return said
