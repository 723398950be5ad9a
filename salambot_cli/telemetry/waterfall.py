"""A trace as people read it: each step below the one that called it, a bar where and for how long it ran."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich import box
from rich.table import Table
from rich.text import Text

from salambot_cli.api.gateway import Document
from salambot_cli.telemetry.traces import short_id
from salambot_contracts.traces import Span, span_facts, span_time, spans_in_order

_WIDTH = 30
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green")


def waterfall(spans: Sequence[Document]) -> Table:
    """Draw the spans of one trace, at least one."""
    began = min(span_time(span, "started_ns") for span in spans)
    whole = max(1, max(span_time(span, "ended_ns") for span in spans) - began)
    services = list(dict.fromkeys(str(span["service"]) for span in spans))
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(services)}
    title = f"trace {spans[0]['trace_id']}  {whole / 1e6:.1f} ms"
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    ordered = list(spans_in_order(spans))
    table.add_column("service", min_width=max(map(len, services)), no_wrap=True)
    table.add_column("step", min_width=max(2 * depth + len(str(span["name"])) for depth, span in ordered), no_wrap=True)
    table.add_column("", no_wrap=True, overflow="crop")
    table.add_column("ms", justify="right", min_width=7, no_wrap=True)
    table.add_column("")
    for depth, span in ordered:
        colour = colours[str(span["service"])]
        style = "bold red" if span["failed"] else ""
        name = Text("  " * depth + str(span["name"]), style=style)
        bar = Text(_bar(span, began, whole), style=colour)
        took = f"{(span_time(span, 'ended_ns') - span_time(span, 'started_ns')) / 1e6:.1f}"
        table.add_row(Text(str(span["service"]), style=colour), name, bar, took, Text(span_facts(span), style="dim"))
    return table


def trace_rows(traces: Sequence[Document]) -> list[dict[str, str]]:
    """Return traces as rows; the short id is one that `trace` takes."""
    return [
        {
            "trace": short_id(trace["trace_id"]),
            "began": datetime.fromtimestamp(span_time(trace, "started_ns") / 1e9, UTC).strftime("%H:%M:%SZ"),
            "what": f"{trace['service']} {trace['name']}" + (" ✗" if trace["failed"] else ""),
            "steps": str(trace["steps"]),
            "ms": str(trace["duration_ms"]),
        }
        for trace in traces
    ]


def _bar(span: Span, began: int, whole: int) -> str:
    start = min(_WIDTH - 1, (span_time(span, "started_ns") - began) * _WIDTH // whole)
    length = max(1, round((span_time(span, "ended_ns") - span_time(span, "started_ns")) * _WIDTH / whole))
    return (" " * start + "━" * min(length, _WIDTH - start)).ljust(_WIDTH)
