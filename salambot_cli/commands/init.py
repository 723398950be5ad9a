"""`salambot init`: a project to start from."""

import typer

from salambot_cli.outside.console import Session

app = typer.Typer()


@app.command()
def init(
    context: typer.Context,
    topology: str = typer.Option("local", help="Presets in order, comma-separated: local, t1, t2, t3."),
    force: bool = typer.Option(False, "--force", help="Overwrite what is there."),
) -> None:
    """Write salambot.toml, .env.example, a sample knowledge base kb/ and ignore rules here.

    Examples:  [bold]salambot init[/]   [bold]salambot init --topology t1,t3[/]
    """
    from salambot_cli.steps.init import start_project

    session: Session = context.obj
    written, kept = start_project(session.project, topology.split(","), force=force)
    if session.machine:
        session.document({"status": "done", "written": written, "kept": kept})
        return
    for name in _folded(written):
        session.say(f" [green]✓[/] {name}")
    for name in _folded(kept):
        session.say(f" [dim]= {name} is there already (--force overwrites it)[/]")
    session.say("Next: [bold]salambot up[/]")


def _folded(names: list[str]) -> list[str]:
    """Name the documents of the knowledge base by their folder."""
    documents = [name for name in names if name.startswith("kb/")]
    files = [name for name in names if name not in documents]
    return files + ([f"kb/ ({len(documents)} documents)"] if documents else [])
