"""`salambot privacy`: what is kept of one user, and its erasure."""

import json

import typer

from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output, json_text

app = typer.Typer(no_args_is_help=True, help="Export or erase one user's data.")
_USER = typer.Argument(help="The user's id at the channel (a phone number, a page-scoped id), or a correlation id.")


@app.command()
def export(context: typer.Context, user: str = _USER) -> None:
    """Print all that is kept of a user, as JSON on standard output.

    Example:  [bold]salambot privacy export 212600000000 > user.json[/]
    """
    from salambot_cli.audit.records import export_user
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    found = run(export_user(load_started_environment(session.project), user))
    if session.machine:
        session.document(found)
    else:
        typer.echo(json_text(found, indent=1))


@app.command()
def erase(
    context: typer.Context,
    user: str = _USER,
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Delete all that is kept of a user: turns, conversations, messages. The audit trail keeps a keyed hash.

    Example:  [bold]salambot privacy erase 212600000000[/]
    """
    from salambot_cli.audit.records import erase_user
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    if not yes:
        typer.confirm(translate(f"Erase all data of this user, of tenant {environment.tenant}?"), abort=True, err=True)
    done = run(erase_user(environment, user))
    if session.machine:
        session.document({"status": "done", **done})
    else:
        session.result(f"erased: {json.dumps(done['erased'])}")
