"""Traces that a stack keeps for itself, with `telemetry = "local"`."""

from typing import cast

from salambot_cli.api.gateway import Document
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.stack.orchestrateur import ask_orchestrateur

_LATEST = 20


async def read_trace(environment: Environment, trace_id: str | None) -> list[Document]:
    """Return the spans of a trace, of the latest one where none is named, by their start. Raises SalamBotError."""
    if trace_id is None:
        latest = await latest_traces(environment)
        trace_id = str(latest[0]["trace_id"]) if latest else ""
    spans = await _spans(environment, {"trace_id": trace_id, "limit": "20000"}) if trace_id else []
    if not spans:
        what = f"the trace {trace_id} is not kept here" if trace_id else "no trace is kept yet"
        raise SalamBotError(what, "the latest 20,000 steps are kept", "salambot chat Bonjour   # then: salambot trace")
    return sorted(spans, key=_start)


async def latest_traces(environment: Environment) -> list[Document]:
    """Return the latest traces, the newest first: id, name, service, start, duration, steps, whether one failed."""
    groups: dict[str, list[Document]] = {}
    for span in await _spans(environment, {"limit": "2000"}):
        groups.setdefault(str(span["trace_id"]), []).append(span)
    traces = [_summary(sorted(spans, key=_start)) for spans in groups.values()]
    return sorted(traces, key=_start, reverse=True)[:_LATEST]


def _start(document: Document) -> int:
    return cast("int", document["started_ns"])


def _summary(spans: list[Document]) -> Document:
    first = next((span for span in spans if span["parent_id"] is None), spans[0])
    ended = max(cast("int", span["ended_ns"]) for span in spans)
    return {
        "trace_id": first["trace_id"],
        "name": first["name"],
        "service": first["service"],
        "started_ns": _start(spans[0]),
        "duration_ms": round((ended - _start(spans[0])) / 1e6, 1),
        "steps": len(spans),
        "failed": any(span["failed"] for span in spans),
    }


async def _spans(environment: Environment, query: dict[str, str]) -> list[Document]:
    if (placement := environment.placement("telemetry")) != "local":
        raise SalamBotError(
            "traces are not kept here",
            f"telemetry is {placement}"
            + (f": look in {environment.grafana_url}" if environment.grafana_url and placement == "otlp" else ""),
            'telemetry = "local" in [placement] of salambot.toml, then salambot up',
        )
    answer = await ask_orchestrateur(environment, "/internal/telemetry/traces", query=query)
    return cast("list[Document]", answer["entries"])
