"""`salambot config`: what is configured, where it comes from, and whether it is valid."""

import json

import typer

from salambot_cli.commands import completion
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

app = typer.Typer(no_args_is_help=True, help="Show, check and edit the configuration.")


@app.command()
def show(context: typer.Context) -> None:
    """Print every effective value with the layer it came from; secrets are masked.

    Examples:  [bold]salambot config show[/]   [bold]salambot config show --json[/]
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from salambot_cli.config.effective_values import as_text, effective_values
    from salambot_cli.config.load import load_environment

    session: Output = context.obj
    environment = load_environment(session.project)
    values = effective_values(environment)
    if session.machine:
        session.document(
            {
                "config_file": str(environment.config_file) if environment.config_file else None,
                "values": [{"key": key, "value": value, "layer": layer} for key, value, layer in values],
            }
        )
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("key", "value", "from"):
        table.add_column(column, overflow="fold")
    for key, value, layer in values:
        table.add_row(key, escape(as_text(value)), f"[dim]{layer}[/]" if layer == "default" else layer)
    session.result(table)


@app.command()
def validate(context: typer.Context) -> None:
    """Check the configuration and what its placements need: exit 0 when all is well, else 2.

    Example:  [bold]salambot config validate[/]
    """
    from rich.markup import escape

    from salambot_cli.config.load import load_environment
    from salambot_cli.config.validate import url_notes
    from salambot_cli.config.validate import validate as check

    session: Output = context.obj
    environment = load_environment(session.project)
    for note in environment.notes:
        session.say(f"[dim]{escape(translate(note))}[/]")
    check(environment)
    for note in url_notes(environment):
        session.say(f"[yellow]{escape(translate(note))}[/]")
    if session.machine:
        session.document({"status": "valid", "config_file": str(environment.config_file or "")})
    else:
        session.say(f"[green]✓[/] {environment.config_file or 'no salambot.toml: the defaults'} is valid")


@app.command()
def schema() -> None:
    """Print the JSON Schema of salambot.toml, for editors and CI.

    Example:  [bold]salambot config schema > salambot.schema.json[/]
    """
    from salambot_cli.config.schema import Config

    document = Config.model_json_schema() | {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    typer.echo(json.dumps(document, indent=2))


@app.command("edit-placement")
def edit_placement(
    context: typer.Context,
    pairs: list[str] = typer.Argument(
        ...,
        metavar="COMPONENT=PLACEMENT",
        autocompletion=completion.placements,
        help="Such as vector=pinecone.",
    ),
) -> None:
    """Move components by one line each in salambot.toml, and say what that will need.

    Examples:  [bold]salambot config edit-placement vector=pinecone[/]
    [bold]salambot config edit-placement postgres=cloud redis=cloud[/]
    """
    from rich.text import Text

    from salambot_cli.init.placement_edit import edit_placement as edit

    session: Output = context.obj
    move = edit(session.project, pairs)
    if session.machine:
        session.document({"status": "done", "file": str(move.file), "diff": move.diff, "missing": list(move.missing)})
        return
    session.result(Text(move.diff)) if move.diff else session.say("It is so already.")
    if move.missing:
        session.say(f"[yellow]still to be set in .env: {', '.join(move.missing)}[/]")
    for hint in move.hints:
        session.say(f"[dim]{translate(hint)}[/]")
    session.say("Next: [bold]salambot config validate[/], [bold]salambot up[/]")
