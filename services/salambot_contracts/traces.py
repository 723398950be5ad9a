"""Traces that `telemetry = "local"` keeps: their spans grouped, summed up and put in order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

Span = Mapping[str, object]


def span_time(span: Span, name: str) -> int:
    """Return `started_ns` or `ended_ns`."""
    return cast("int", span[name])


def by_start(spans: Sequence[Span]) -> list[Span]:
    """Return spans, or summaries, the earliest first."""
    return sorted(spans, key=lambda span: span_time(span, "started_ns"))


def summarize_traces(spans: Sequence[Span]) -> list[dict[str, object]]:
    """Return a summary of each trace, the newest first: name, service, start, duration, steps, whether one failed.

    `route` and `status` are those of its first request to a service, where it holds one.
    """
    groups: dict[str, list[Span]] = {}
    for span in spans:
        groups.setdefault(str(span["trace_id"]), []).append(span)
    traces = [_summary(by_start(group)) for group in groups.values()]
    return sorted(traces, key=lambda trace: span_time(trace, "started_ns"), reverse=True)


def _summary(spans: Sequence[Span]) -> dict[str, object]:
    first = next((span for span in spans if span["parent_id"] is None), spans[0])
    requests = (cast("Span", span["attributes"]) for span in spans)
    request = next((known for known in requests if "http.route" in known), {})
    began = span_time(spans[0], "started_ns")
    return {
        "trace_id": first["trace_id"],
        "name": first["name"],
        "service": first["service"],
        "started_ns": began,
        "duration_ms": round((max(span_time(span, "ended_ns") for span in spans) - began) / 1e6, 1),
        "steps": len(spans),
        "failed": any(span["failed"] for span in spans),
        "route": request.get("http.route"),
        "status": request.get("http.response.status_code"),
    }


def spans_in_order(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """Yield each span after its parent, with its depth; one whose parent is not there stands at the top."""
    ids = {span["span_id"] for span in spans}
    children: dict[object, list[Span]] = {}
    for span in by_start(spans):
        parent = span["parent_id"] if span["parent_id"] in ids else None
        children.setdefault(parent, []).append(span)
    waiting = [(0, span) for span in reversed(children.get(None, []))]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting += [(depth + 1, child) for child in reversed(children.get(span["span_id"], []))]


def span_facts(span: Span) -> str:
    """Return what a span says of itself, as `name=value`."""
    known = cast("Span", span["attributes"])
    return " ".join(f"{name.rpartition('.')[2]}={known[name]}" for name in _TOLD if name in known)


_TOLD = (
    "http.response.status_code", "error.type", "salambot.hits", "salambot.provider", "salambot.channel",
    "gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
)  # fmt: skip
