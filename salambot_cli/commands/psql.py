"""`salambot psql`: the client of the environment's Postgres, logged in."""

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def psql(
    context: typer.Context,
    words: list[str] | None = typer.Argument(None, metavar="ARGUMENT", help="What psql itself takes."),
) -> None:
    """Open psql on the environment's Postgres.

    It logs in as the services do.

    Examples:  [bold]salambot psql[/]   [bold]salambot psql -c "select 1"[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.host.programs import become
    from salambot_cli.stack.execute_in import client_invocation
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    found = run(client_invocation(load_started_environment(session.project), "psql", words or []))
    become(found.argv, found.environ)
