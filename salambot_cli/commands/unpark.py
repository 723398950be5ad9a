"""`salambot unpark`: start what `park` stopped."""

import typer

from salambot_cli.commands.park import set_parked

app = typer.Typer()


@app.command()
def unpark(context: typer.Context) -> None:
    """Start the AWS database again.

    It takes some minutes: `salambot doctor` says when it answers.

    Example:  [bold]salambot unpark[/]
    """
    set_parked(context.obj, "available")
