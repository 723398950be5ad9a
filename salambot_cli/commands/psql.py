"""`salambot psql`: the client of the environment's Postgres, logged in."""

import typer

from salambot_cli.outside.console import Session

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def psql(
    context: typer.Context,
    words: list[str] | None = typer.Argument(None, metavar="[ARGUMENT]...", help="What psql itself takes."),
) -> None:
    """Open psql on the environment's Postgres, logged in as the services are.

    Examples:  [bold]salambot psql[/]   [bold]salambot psql -c "select 1"[/]
    """
    from salambot_cli.catalog.load import load_environment
    from salambot_cli.outside.interrupts import run
    from salambot_cli.outside.programs import become
    from salambot_cli.steps.execute_in import client_invocation

    session: Session = context.obj
    found = run(client_invocation(load_environment(session.project), "psql", words or []))
    become(found.argv, found.environ)
