"""Run a command in a trace of its own; say which, and where to see it."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from salambot_cli.api.command_trace import CommandTrace
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.grafana import grafana_link
from salambot_cli.stack.orchestrateur import ask_orchestrateur
from salambot_cli.terminal.output import Output


@asynccontextmanager
async def command_span(session: Output, environment: Environment, command: str) -> AsyncIterator[CommandTrace]:
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
        print_trace_id(session, environment, trace.trace_id)


def print_trace_id(session: Output, environment: Environment, trace_id: str) -> None:
    """Print the id of a trace for people, with its link where a Grafana is configured."""
    link = f"  {grafana_link(environment.grafana_url, trace_id)}" if environment.grafana_url else ""
    session.say(f"[dim]trace {trace_id}{link}[/]")
