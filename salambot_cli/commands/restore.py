"""`salambot restore`: an environment out of one file."""

from pathlib import Path

import typer

from salambot_cli.commands.options import ask_value
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def restore(
    context: typer.Context,
    file: Path = typer.Argument(metavar="FILE", help="A file that `salambot backup` wrote."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Bring a backup back, here or on another machine.

    It starts the chatbot. Files of the project that are there stay: so a salambot.toml decides where the data goes.

    Examples:  [bold]salambot restore shop.backup[/]   [bold]salambot --project copy restore shop.backup --yes[/]
    """
    from salambot_cli.backup.archive import is_encrypted, read_manifest
    from salambot_cli.backup.run import project_files, restore_backup
    from salambot_cli.config.load import environment_root
    from salambot_cli.model.secret import Secret
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    passphrase = Secret(ask_value("passphrase", hidden=True)) if is_encrypted(file) else None
    root = environment_root(session.project)
    names = project_files(read_manifest(file, passphrase), root)
    if names:
        session.say(f"These files of the project come back: {', '.join(names)}")
    if not yes and not session.machine:
        question = f"Replace the conversations and documents of this environment ({root})?"
        typer.confirm(translate(question), abort=True, err=True)
    done = run(restore_backup(session, root, file, passphrase))
    if session.machine:
        session.document(
            {
                "status": "done",
                "created": done.manifest.created,
                "tenants": list(done.manifest.tenants),
                "rows": done.rows,
                "objects": done.objects,
                "kept": list(done.kept),
            }
        )
        return
    session.say(f"[green]✓[/] {sum(done.rows.values())} rows and {done.objects} documents are back.")
    if done.kept:
        session.say(f"Kept as they are: {', '.join(done.kept)}")
    session.say("See how it is: salambot status")
