"""A trace as people read it: each step below the one that called it, a bar where and for how long it ran."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

from rich import box
from rich.table import Table
from rich.text import Text

from salambot_cli.api.gateway import Document
from salambot_cli.telemetry.traces import short_id

_WIDTH = 30
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green")
_TOLD = (
    "http.response.status_code", "error.type", "salambot.hits", "salambot.provider", "salambot.channel",
    "gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
)  # fmt: skip


def waterfall(spans: Sequence[Document]) -> Table:
    """Draw the spans of one trace, at least one."""
    began = min(_ns(span, "started_ns") for span in spans)
    whole = max(1, max(_ns(span, "ended_ns") for span in spans) - began)
    services = list(dict.fromkeys(str(span["service"]) for span in spans))
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(services)}
    title = f"trace {spans[0]['trace_id']}  {whole / 1e6:.1f} ms"
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    ordered = list(_in_order(spans))
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
        took = f"{(_ns(span, 'ended_ns') - _ns(span, 'started_ns')) / 1e6:.1f}"
        table.add_row(Text(str(span["service"]), style=colour), name, bar, took, Text(_details(span), style="dim"))
    return table


def trace_rows(traces: Sequence[Document]) -> list[dict[str, str]]:
    """Return traces as rows; the short id is one that `trace` takes."""
    return [
        {
            "trace": short_id(trace["trace_id"]),
            "began": datetime.fromtimestamp(_ns(trace, "started_ns") / 1e9, UTC).strftime("%H:%M:%SZ"),
            "what": f"{trace['service']} {trace['name']}" + (" ✗" if trace["failed"] else ""),
            "steps": str(trace["steps"]),
            "ms": str(trace["duration_ms"]),
        }
        for trace in traces
    ]


def _ns(document: Document, name: str) -> int:
    return cast("int", document[name])


def _in_order(spans: Sequence[Document]) -> Iterator[tuple[int, Document]]:
    """Yield each span after its parent, with its depth; one whose parent is not there stands at the top."""
    ids = {span["span_id"] for span in spans}
    children: dict[object, list[Document]] = {}
    for span in sorted(spans, key=lambda span: _ns(span, "started_ns")):
        parent = span["parent_id"] if span["parent_id"] in ids else None
        children.setdefault(parent, []).append(span)
    waiting = [(0, span) for span in reversed(children.get(None, []))]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting += [(depth + 1, child) for child in reversed(children.get(span["span_id"], []))]


def _bar(span: Document, began: int, whole: int) -> str:
    start = min(_WIDTH - 1, (_ns(span, "started_ns") - began) * _WIDTH // whole)
    length = max(1, round((_ns(span, "ended_ns") - _ns(span, "started_ns")) * _WIDTH / whole))
    return (" " * start + "━" * min(length, _WIDTH - start)).ljust(_WIDTH)


def _details(span: Document) -> str:
    known = cast("dict[str, object]", span["attributes"])
    return " ".join(f"{name.rpartition('.')[2]}={known[name]}" for name in _TOLD if name in known)
