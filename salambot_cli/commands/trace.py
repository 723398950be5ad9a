"""`salambot trace`: one request through all services, as a waterfall in the terminal."""

import re

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def trace(
    context: typer.Context,
    trace_id: str | None = typer.Argument(None, metavar="ID", help="Which trace; without it, the latest."),
    listing: bool = typer.Option(False, "--list", help="List the latest traces."),
) -> None:
    """Draw one request through all services.

    Telemetry must be kept locally: telemetry = "local".

    Examples:  [bold]salambot trace[/]   [bold]salambot trace --list[/]   [bold]salambot trace ID[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.telemetry.traces import latest_traces, read_trace
    from salambot_cli.telemetry.waterfall import traces_table, waterfall
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    if trace_id is not None and not re.fullmatch("[0-9a-f]{32}", trace_id):
        raise typer.BadParameter("should be 32 lowercase hexadecimal digits, as chat prints them", param_hint="ID")
    if listing:
        traces = run(latest_traces(environment))
        session.document({"traces": traces}) if session.machine else session.result(traces_table(traces))
        return
    spans = run(read_trace(environment, trace_id))
    session.document({"trace_id": spans[0]["trace_id"], "spans": spans}) if session.machine else session.result(
        waterfall(spans)
    )
