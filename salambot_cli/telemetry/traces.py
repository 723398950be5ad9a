"""Traces that a stack keeps for itself, with `telemetry = "local"`."""

from typing import cast

from salambot_cli.api.gateway import Document
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.stack.orchestrateur import ask_orchestrateur
from salambot_contracts.traces import by_start, summarize_traces

_LATEST = 20
_WHOLE_ID = 32
_SHORT_ID = 12


async def read_trace(environment: Environment, trace_id: str | None) -> list[Document]:
    """Return the spans of a trace by their start: of the one whose id begins so, else of the latest.

    Raises:
        SalamBotError: it is not kept, or several ids begin so.
    """
    if trace_id is None:
        latest = await latest_traces(environment)
        trace_id = str(latest[0]["trace_id"]) if latest else ""
    elif len(trace_id) < _WHOLE_ID:
        trace_id = await _whole_id(environment, trace_id)
    spans = await _spans(environment, {"trace_id": trace_id, "limit": "20000"}) if trace_id else []
    if not spans:
        what = f"the trace {trace_id} is not kept here" if trace_id else "no trace is kept yet"
        raise SalamBotError(what, "the latest 20,000 steps are kept", "salambot chat Bonjour   # then: salambot trace")
    return [dict(span) for span in by_start(spans)]


async def latest_traces(environment: Environment) -> list[Document]:
    """Return the latest traces, the newest first: id, name, service, start, duration, steps, whether one failed."""
    return summarize_traces(await _spans(environment, {"limit": "2000"}))[:_LATEST]


def short_id(trace_id: object) -> str:
    """Return as much of a trace's id as tells it from others."""
    return str(trace_id)[:_SHORT_ID]


async def _whole_id(environment: Environment, beginning: str) -> str:
    spans = await _spans(environment, {"limit": "20000"})
    found = sorted({str(span["trace_id"]) for span in spans if str(span["trace_id"]).startswith(beginning)})
    if len(found) > 1:
        raise SalamBotError(f"several traces begin with {beginning}", ", ".join(found), "give more of its digits")
    return found[0] if found else beginning


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
