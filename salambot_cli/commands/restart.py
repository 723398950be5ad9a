"""`salambot restart`: parts of the stack, as they run."""

import typer

from salambot_cli.commands import completion
from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def restart(
    context: typer.Context,
    services: list[str] | None = typer.Argument(
        None, metavar="SERVICE", autocompletion=completion.services, help="Only these (default: all services)."
    ),
) -> None:
    """Restart services; requests wait until they are back.

    Examples:  [bold]salambot restart[/]   [bold]salambot restart rag[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.host.lock import environment_lock
    from salambot_cli.stack.running import restart as restart_parts
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    names = tuple(dict.fromkeys(services or ()))
    if not environment.state.is_dir():
        names_done = run(restart_parts(environment, names))
    else:
        with environment_lock(environment.root, "restart", wait_seconds=2.0):
            names_done = run(restart_parts(environment, names))
    if session.machine:
        session.document({"status": "done", "restarted": names_done})
    else:
        session.say(f"Restarted: {', '.join(names_done)}.")
