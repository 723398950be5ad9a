"""`salambot redis-cli`: the client of the environment's Redis, logged in."""

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def redis_cli(
    context: typer.Context,
    words: list[str] | None = typer.Argument(None, metavar="ARGUMENT", help="What redis-cli itself takes."),
) -> None:
    """Open redis-cli on the environment's Redis.

    It logs in as the services do.

    Examples:  [bold]salambot redis-cli[/]   [bold]salambot redis-cli info memory[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.host.programs import become
    from salambot_cli.stack.execute_in import client_invocation
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    found = run(client_invocation(load_started_environment(session.project), "redis-cli", words or []))
    become(found.argv, found.environ)
