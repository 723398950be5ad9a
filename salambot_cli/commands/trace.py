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
    from salambot_cli.telemetry.waterfall import trace_rows, waterfall
    from salambot_cli.terminal.interrupts import run
    from salambot_cli.terminal.rows import print_rows

    session: Output = context.obj
    environment = load_started_environment(session.project)
    if trace_id is not None and not re.fullmatch("[0-9a-f]{8,32}", trace_id):
        why = "should be an id as chat prints it, or its first 8 digits and more"
        raise typer.BadParameter(why, param_hint="ID")
    if listing:
        traces = run(latest_traces(environment))
        if session.machine:
            session.document({"traces": traces})
        else:
            print_rows(session, trace_rows(traces))
        return
    spans = run(read_trace(environment, trace_id))
    session.document({"trace_id": spans[0]["trace_id"], "spans": spans}) if session.machine else session.result(
        waterfall(spans)
    )
