"""`salambot exec`: a command with the environment of a part."""

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def exec_(
    context: typer.Context,
    part: str = typer.Argument(metavar="SERVICE", help="A service, postgres, redis, psql or redis-cli."),
    command: list[str] | None = typer.Argument(None, metavar="-- COMMAND", help="The command and its arguments."),
) -> None:
    """Run a command inside a service or a component.

    The command has the variables of that part, and runs in its container where it has one.

    Its exit status is passed on. `psql` and `redis-cli` are logged in as the services are.

    Examples:  [bold]salambot exec rag -- env[/]   [bold]salambot exec psql -- -c "select 1"[/]
    [bold]salambot exec redis -- redis-cli info[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.host.programs import become
    from salambot_cli.model.errors import ConfigurationError
    from salambot_cli.stack.execute_in import CLIENTS, invocation
    from salambot_cli.stack.running import STORES
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    words = [word for word in command or () if word != "--"] if command and command[0] == "--" else list(command or ())
    if not words and part not in {*CLIENTS, *STORES}:
        raise ConfigurationError(
            "exec needs a command", f"it stands after --: exec {part} -- env", f"salambot exec {part} -- env"
        )
    found = run(invocation(environment, part, words))
    become(found.argv, found.environ)
