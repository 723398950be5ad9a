"""`salambot down`: stop all that `up` started, in reverse order."""

import typer

from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def down(
    context: typer.Context,
    volumes: bool = typer.Option(False, "--volumes", help="Delete the local data too (asks first)."),
    prune: bool = typer.Option(False, "--prune", help="Remove the project's images too."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Stop the chatbot. The data stays, unless --volumes.

    Examples:  [bold]salambot down[/]   [bold]salambot down --volumes --yes[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.stack.down import take_down
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    if volumes and not yes:
        typer.confirm(translate(f"Delete the local data in {environment.state / 'data'}?"), abort=True, err=True)
    done = run(take_down(environment, volumes=volumes, prune=prune))
    if session.machine:
        session.document(
            {"status": "down", "stopped": done.stopped, "volumes_deleted": volumes, "deleted": done.deleted}
        )
    else:
        session.say(f"Stopped: {', '.join(done.stopped)}." if done.stopped else "Nothing was running.")
    if volumes and not session.machine:
        session.say(f"Deleted: {', '.join(done.deleted)}." if done.deleted else "There was no local data.")
