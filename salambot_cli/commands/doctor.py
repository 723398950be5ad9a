"""`salambot doctor`: what is wrong, why, and the command that fixes it."""

from pathlib import Path
from typing import Literal

import typer

from salambot_cli.commands import completion
from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def doctor(
    context: typer.Context,
    checks: list[str] = typer.Argument(
        None,
        metavar="CHECK",
        autocompletion=completion.checks,
        help="Checks, groups or components; all by default.",
    ),
    group: str | None = typer.Option(None, autocompletion=completion.groups, help="One group of checks."),
    list_: bool = typer.Option(False, "--list", help="List the checks that apply here."),
    simulate: bool = typer.Option(False, help="List what each check would ask, of whom; ask nothing."),
    explain: str | None = typer.Option(
        None, metavar="ID", autocompletion=completion.findings, help="Explain a finding."
    ),
    strict: bool = typer.Option(False, help="Count warnings as failures."),
    watch: bool = typer.Option(False, "--watch", "-w", help="Run what failed again, until all is well."),
    fix: bool = typer.Option(False, help="Run the commands that are safe, after one question."),
    format_: Literal["text", "json", "junit", "sarif"] = typer.Option("text", "--format"),
    my_ip: list[str] = typer.Option([], metavar="ADDRESS", help="This machine's public address, instead of asking."),
    offline: bool = typer.Option(False, help="Ask nobody outside for the time or for our address."),
    bundle: Path | None = typer.Option(None, metavar="FILE", help="Write a redacted support archive (tar.gz)."),
) -> None:
    """Find the root cause of a problem and the fix.

    Each root cause comes with its evidence and the command that fixes it.

    Exit 0 without a root cause, 1 with one, 4 when the doctor itself could not run.

    Examples:  [bold]salambot doctor[/]   [bold]salambot doctor rds --my-ip 203.0.113.7[/]
    """
    from salambot_cli.doctor.command import DoctorOptions, run_doctor
    from salambot_cli.doctor.reporting import publish_report
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    request = DoctorOptions(
        checks=tuple(checks or ()),
        group=group,
        list_only=list_,
        simulate=simulate,
        explain=explain,
        strict=strict,
        watch=watch,
        fix=fix,
        format="json" if session.machine else format_,
        my_ip=tuple(my_ip),
        offline=offline,
        bundle=bundle,
        tell=lambda environment, report, complete: publish_report(environment, report.as_json(), complete=complete),
    )
    raise typer.Exit(run(run_doctor(session, request)))
