"""`salambot env`: the variables of the environment, one by one."""

import typer

from salambot_cli.commands import completion
from salambot_cli.commands.options import ask_value
from salambot_cli.terminal.output import Output

app = typer.Typer(no_args_is_help=True, help="Set, remove, list and compare variables.")


@app.command("set")
def set_(
    context: typer.Context,
    name: str = typer.Argument(autocompletion=completion.variables, help="A variable, such as OPENAI_API_KEY."),
) -> None:
    """Set a variable: the value is asked for, or read from standard input.

    It is checked, then kept in .env, which only you can read; with secrets = "aws" Secrets Manager keeps secrets.

    Examples:  [bold]salambot env set OPENAI_API_KEY[/]   [bold]echo shop-kb | salambot env set S3_BUCKET[/]
    """
    from salambot_cli.audit.records import record
    from salambot_cli.components.variables import is_secret
    from salambot_cli.config import environment_variables as step
    from salambot_cli.config.load import load_environment
    from salambot_cli.model.secret import Secret
    from salambot_cli.secrets.push import push_secret
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    step.require_known(name)
    environment = load_environment(session.project)
    value = ask_value(name, hidden=is_secret(name))
    step.check_value(environment, name, value)
    if step.kept_in_secrets_manager(environment, name):
        place = ", ".join(push_secret(environment, {name: Secret(value)}, create=False))
        run(record(environment, "secret.write", "done"))
        changed = True
    else:
        place, changed = environment.variables_file.name, step.write_dotenv(environment, name, value)
    if session.machine:
        session.document({"status": "done", "name": name, "stored_in": place, "changed": changed})
        return
    session.say(f"[green]✓[/] {name} → {place}")
    if layer := step.stronger_layer(environment, name):
        session.say(f"[yellow]{name} is set in the {layer} too, which stands above {place}.[/]")
    session.say("It takes effect with: salambot up")


@app.command()
def unset(
    context: typer.Context,
    name: str = typer.Argument(autocompletion=completion.variables, help="A variable of .env."),
) -> None:
    """Remove a variable from .env.

    Example:  [bold]salambot env unset OPENAI_BASE_URL[/]
    """
    from salambot_cli.config import environment_variables as step
    from salambot_cli.config.load import load_environment

    session: Output = context.obj
    environment = load_environment(session.project)
    file, changed = environment.variables_file.name, step.write_dotenv(environment, step.require_known(name), None)
    after = load_environment(session.project).variables.get(name)
    if session.machine:
        session.document({"status": "done", "name": name, "changed": changed, "layer": after.layer if after else None})
        return
    session.say(f"[green]✓[/] {name} is removed from {file}" if changed else f"{name} is not in {file}")
    if after:
        session.say(f"{name} still has a value, from: {after.layer}")


@app.command("list")
def list_(
    context: typer.Context,
    every: bool = typer.Option(False, "--all", help="Every variable that may be set, with its meaning."),
) -> None:
    """List the variables that are set: value, where it comes from, which services read it.

    Examples:  [bold]salambot env list[/]   [bold]salambot env list --all[/]
    """
    from salambot_cli.components.variables import VARIABLES
    from salambot_cli.config import environment_variables as step
    from salambot_cli.config.load import load_environment
    from salambot_cli.terminal.rows import print_rows

    session: Output = context.obj
    environment = load_environment(session.project)
    names = sorted({*environment.variables, *(VARIABLES if every else ())})
    found = [(name, environment.variables.get(name), step.readers(environment, name)) for name in names]
    if session.machine:
        rows = [
            {
                "name": name,
                "value": str(variable.value) if variable else None,
                "layer": variable.layer if variable else None,
                "read_by": services,
                "meaning": VARIABLES[name].meaning if name in VARIABLES else None,
            }
            for name, variable, services in found
        ]
        session.document({"variables": rows})
        return
    if not found:
        session.say("No variable is set. See what there is: salambot env list --all")
        return
    told = [
        {
            "name": name,
            "value": str(variable.value) if variable else "",
            **({"meaning": VARIABLES[name].meaning if name in VARIABLES else ""} if every else {}),
            **({} if every else {"from": variable.layer if variable else ""}),
            "read by": services,
        }
        for name, variable, services in found
    ]
    print_rows(session, told)


@app.command()
def diff(
    context: typer.Context,
    one: str = typer.Argument(metavar="ENV|FILE", help="A named environment, or a file such as .env.cloud-local."),
    other: str | None = typer.Argument(
        None, metavar="ENV|FILE", help="The other side (default: this environment first)."
    ),
) -> None:
    """Compare environments, or one with a file of variables. Exit 1 when they differ.

    The project's own environment is called local. Values of secrets are compared, and never shown.

    Examples:  [bold]salambot env diff local staging[/]   [bold]salambot env diff .env.cloud-local[/]
    """
    from salambot_cli.config.environment_variables import differences
    from salambot_cli.config.load import environment_root
    from salambot_cli.model.environment_folder import name_of_environment
    from salambot_cli.terminal.rows import print_rows

    session: Output = context.obj
    here, there = (one, other) if other else (name_of_environment(environment_root(session.project)), one)
    found = differences(session.project, here, there)
    if session.machine:
        rows = [{"name": one.name, "here": one.here, "there": one.there} for one in found]
        session.document({"status": "differs" if found else "same", "differences": rows})
    elif found:
        print_rows(session, [{"name": d.name, here: d.here or "", there: d.there or ""} for d in found])
    else:
        session.say(f"[green]✓[/] {here} and {there} are the same.")
    if found:
        raise typer.Exit(1)
