"""`salambot park`: stop what is paid for by the hour."""

from typing import TYPE_CHECKING

import typer

from salambot_cli.terminal.output import Output

if TYPE_CHECKING:
    from salambot_cli.aws.parking import Wanted

app = typer.Typer()


@app.command()
def park(context: typer.Context) -> None:
    """Stop the AWS database while nobody works.

    Its storage still is. AWS itself starts it again after seven days.

    Example:  [bold]salambot park[/]
    """
    set_parked(context.obj, "stopped")


def set_parked(session: Output, wanted: "Wanted") -> None:
    """Park or unpark, and say what became of each component."""
    from dataclasses import asdict

    from salambot_cli.config.load import load_started_environment
    from salambot_cli.costs.park import park as step
    from salambot_cli.terminal.interrupts import run

    found = run(step(load_started_environment(session.project), wanted))
    if session.machine:
        session.document({"status": "done", "resources": [asdict(parked) for parked in found]})
        return
    for parked in found:
        said = f"was {parked.before}, is {parked.after}" if parked.changed else parked.reason
        session.say(f"{parked.id or parked.component}: {said}")
    if not found:
        session.say("Nothing of this environment runs in AWS by the hour.")
