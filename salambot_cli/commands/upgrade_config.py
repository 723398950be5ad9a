"""`salambot upgrade-config`: an older configuration, brought forward."""

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command("upgrade-config")
def upgrade_config(
    context: typer.Context,
    check: bool = typer.Option(False, "--check", help="Write nothing; exit 1 when something would change."),
) -> None:
    """Bring an older salambot.toml up to date.

    It shows what changes in the file, and in the rendered ones.

    The file before is kept as salambot.toml.before. `salambot up` writes the rendered files again.

    Examples:  [bold]salambot upgrade-config[/]   [bold]salambot upgrade-config --check[/]
    """
    from rich.text import Text

    from salambot_cli.init.upgrade_config import upgrade_config as upgrade

    session: Output = context.obj
    done = upgrade(session.project, write=not check)
    if session.machine:
        status = "current" if not done.diff else "drift" if check else "upgraded"
        session.document({"status": status, "file": str(done.file), "diff": done.diff, "changes": list(done.changes)})
    elif done.diff:
        session.result(Text(done.diff))
        session.say("See what changes in the rendered files: [bold]salambot render --diff[/]")
    else:
        session.say(f"[green]✓[/] {done.file} is up to date")
    if check and done.diff:
        raise typer.Exit(1)
