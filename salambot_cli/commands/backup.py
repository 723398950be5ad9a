"""`salambot backup`: the whole environment in one file."""

from pathlib import Path

import typer

from salambot_cli.commands.options import ask_value
from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def backup(
    context: typer.Context,
    file: Path = typer.Argument(metavar="FILE", help="The file to write, such as shop.backup."),
    encrypt: bool = typer.Option(False, "--encrypt", help="Encrypt it: asks for a passphrase, or reads it from stdin."),
    force: bool = typer.Option(False, "--force", help="Replace a file that is there."),
) -> None:
    """Write data, documents, keys and configuration to a file.

    The services go on meanwhile: the rows are those of one moment. Vectors in Pinecone or Qdrant are not in it.

    Examples:  [bold]salambot backup shop.backup[/]   [bold]salambot backup shop.backup --encrypt[/]
    """
    from dataclasses import asdict

    from salambot_cli.backup.run import create_backup
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.model.errors import ConfigurationError
    from salambot_cli.model.secret import Secret
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    if file.exists() and not force:
        raise ConfigurationError(
            f"{file} is there already", "a backup replaces no file", f"salambot backup {file} --force"
        )
    passphrase = Secret(ask_value("passphrase", hidden=True, twice=True)) if encrypt else None
    if encrypt and not passphrase:
        raise ConfigurationError("the passphrase is empty", "nothing was written", f"salambot backup {file} --encrypt")
    manifest = run(create_backup(load_started_environment(session.project), file, passphrase))
    if session.machine:
        session.document({"status": "done", "file": str(file), "encrypted": encrypt, **asdict(manifest)})
        return
    size = file.stat().st_size / 2**20
    session.say(f"[green]✓[/] {file}: {sum(manifest.rows.values())} rows, {len(manifest.files)} files, {size:.1f} MiB")
    if not encrypt:
        session.say("[yellow]It holds keys and conversations in clear: keep it where only you can read it.[/]")
