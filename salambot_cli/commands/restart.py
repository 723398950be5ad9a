"""`salambot restart`: parts of the stack, as they run."""

import typer

from salambot_cli.commands import completion
from salambot_cli.outside.console import Session

app = typer.Typer()


@app.command()
def restart(
    context: typer.Context,
    services: list[str] | None = typer.Argument(
        None, metavar="[SERVICE]...", autocompletion=completion.services, help="Only these (default: all services)."
    ),
) -> None:
    """Restart services behind their open ports: who calls meanwhile waits. Nothing else changes.

    Examples:  [bold]salambot restart[/]   [bold]salambot restart rag[/]
    """
    from salambot_cli.catalog.load import load_environment
    from salambot_cli.outside.interrupts import run
    from salambot_cli.outside.lock import exclusive
    from salambot_cli.steps.running import restart as restart_parts

    session: Session = context.obj
    environment = load_environment(session.project)
    names = tuple(dict.fromkeys(services or ()))
    if not environment.state.is_dir():
        names_done = run(restart_parts(environment, names))
    else:
        with exclusive(environment.root, "restart", wait_seconds=2.0):
            names_done = run(restart_parts(environment, names))
    if session.machine:
        session.document({"status": "done", "restarted": names_done})
    else:
        session.say(f"Restarted: {', '.join(names_done)}.")
