"""Run a command in a trace of its own; say which, and where to see it."""

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.outside.console import Session
from salambot_cli.outside.trace import CommandTrace
from salambot_cli.steps.orchestrateur import ask_orchestrateur


@asynccontextmanager
async def traced(session: Session, environment: Environment, command: str) -> AsyncIterator[CommandTrace]:
    """Yield the trace; when the block is over its root goes to where the other spans go, and its id is said."""
    trace = CommandTrace(command)
    failed = True
    try:
        yield trace
        failed = False
    finally:
        if environment.placement("telemetry") != "off":
            with contextlib.suppress(SalamBotError):
                await ask_orchestrateur(environment, "/internal/spans", body=trace.ended(failed=failed))
        say_trace(session, environment, trace.trace_id)


def say_trace(session: Session, environment: Environment, trace_id: str) -> None:
    """Print the id of a trace for people, with its link where a Grafana is configured."""
    link = f"  {grafana_link(environment.grafana_url, trace_id)}" if environment.grafana_url else ""
    session.say(f"[dim]trace {trace_id}{link}[/]")


def grafana_link(grafana: str, trace_id: str) -> str:
    """Return the address of a trace in Grafana's Explore."""
    cloud = (urlsplit(grafana).hostname or "").endswith(".grafana.net")
    source = "grafanacloud-traces" if cloud else "tempo"
    query = {"refId": "A", "datasource": {"type": "tempo", "uid": source}, "queryType": "traceql", "query": trace_id}
    pane = {"datasource": source, "queries": [query], "range": {"from": "now-6h", "to": "now"}}
    panes = quote(json.dumps({"trace": pane}, separators=(",", ":")))
    return f"{grafana.rstrip('/')}/explore?schemaVersion=1&panes={panes}"
