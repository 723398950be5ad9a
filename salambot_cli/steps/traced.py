"""Run a command in a trace of its own; say which, and where to see it."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.grafana import grafana_link
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
