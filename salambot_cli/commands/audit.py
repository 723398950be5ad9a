"""`salambot audit`: what was done, by whom, with what outcome."""

from typing import cast

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer(no_args_is_help=True, help="Read and verify the append-only audit trail.")


@app.callback()
def audit() -> None:
    """Read and verify the append-only audit trail."""


@app.command()
def show(
    context: typer.Context,
    correlation_id: str | None = typer.Option(None, "--correlation-id", metavar="ID", help="Only this request's."),
    limit: int = typer.Option(100, min=1, max=1000, help="How many, the newest first."),
) -> None:
    """Show audit records: replies, refusals, seed runs, secrets that were read, erasures.

    Example:  [bold]salambot audit show --correlation-id corr_smoke[/]
    """
    from salambot_cli.audit.records import audit_records
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.telemetry.traces import short_id
    from salambot_cli.terminal.interrupts import run
    from salambot_cli.terminal.rows import minutes, print_rows

    session: Output = context.obj
    records = run(audit_records(load_started_environment(session.project), correlation_id, limit))
    if session.machine:
        session.document({"records": records})
        return
    rows = [
        {
            "at": minutes(entry["at"]),
            "trace": short_id(entry["trace_id"]),
            **{name: str(entry[name]) for name in ("action", "outcome", "actor", "correlation_id")},
        }
        for entry in records
    ]
    print_rows(session, rows, whole=("trace", "action"))


@app.command()
def verify(
    context: typer.Context,
    head: str | None = typer.Option(None, "--head", metavar="HASH", help="One that an earlier run told."),
) -> None:
    """Check that no audit record was changed, removed or slipped in. Exit 1 when one was.

    Note the head it tells somewhere else: given with --head, it shows a trail whose end was cut off.

    Example:  [bold]salambot audit verify[/]
    """
    from salambot_cli.audit.records import verify_audit
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    found = run(verify_audit(load_started_environment(session.project), head))
    if session.machine:
        session.document(found)
    else:
        sign = "[green]✓[/]" if found["status"] == "intact" else "[red]✗[/]"
        session.say(f"{sign} {found['records']} records in {found['seals']} seals, {found['unsealed']} not sealed yet")
        for fault in cast("list[str]", found["faults"]):
            session.result(fault)
        session.say(f"[dim]head {found['head']}[/]")
    raise typer.Exit(0 if found["status"] == "intact" else 1)
