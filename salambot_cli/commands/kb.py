"""`salambot kb`: what is indexed, and documents out of the index."""

from typing import cast

import typer

from salambot_cli.commands import completion
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

app = typer.Typer(no_args_is_help=True, help="List, show and remove indexed documents.")
_TENANT = typer.Option(None, autocompletion=completion.tenants, help="Whose documents these are.")


@app.callback()
def kb() -> None:
    """List, show and remove indexed documents."""


@app.command("list")
def list_(context: typer.Context, tenant: str | None = _TENANT) -> None:
    """List the indexed documents: source, language, passages, when.

    Example:  [bold]salambot kb list[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.seed.kb import indexed
    from salambot_cli.terminal.interrupts import run
    from salambot_cli.terminal.rows import minutes, print_rows

    session: Output = context.obj
    documents = run(indexed(load_started_environment(session.project, {"tenant": tenant})))
    if session.machine:
        session.document({"documents": documents})
        return
    names = ("path", "source", "languages", "passages", "rows")
    rows = []
    for document in documents:
        cells = {**document, "languages": " ".join(cast("list[str]", document["languages"]))}
        rows.append({name: str(cells[name]) for name in names} | {"updated": minutes(document["updated_at"])})
    print_rows(session, rows)


@app.command()
def show(
    context: typer.Context,
    path: str = typer.Argument(help="As `salambot kb list` shows it."),
    tenant: str | None = _TENANT,
) -> None:
    """Show the passages of a document, as retrieval finds them.

    Example:  [bold]salambot kb show horaires.md[/]
    """
    from rich.markup import escape

    from salambot_cli.config.load import load_started_environment
    from salambot_cli.seed.kb import passages
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    found = run(passages(load_started_environment(session.project, {"tenant": tenant}), path))
    if session.machine:
        session.document({"path": path, "passages": found})
        return
    for passage in found:
        heading = f" {passage['heading']}" if passage["heading"] else ""
        session.result(f"[bold]#{passage['number']}[/] [dim]{passage['language']}[/]{escape(heading)}")
        session.result(escape(f"{passage['text']}\n"))


@app.command()
def remove(
    context: typer.Context,
    paths: list[str] = typer.Argument(help="As `salambot kb list` shows them."),
    tenant: str | None = _TENANT,
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Remove documents from the index and the object store. Files of the project stay.

    Example:  [bold]salambot kb remove old-prices.md[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.seed.kb import remove as remove_documents
    from salambot_cli.seed.kb import still_in_folder
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project, {"tenant": tenant})
    if not yes and not session.machine:
        typer.confirm(translate(f"Remove {len(paths)} documents from the index?"), abort=True, err=True)
    removed = run(remove_documents(environment, paths))
    left = [str(file) for file in still_in_folder(environment, removed)]
    if session.machine:
        session.document({"removed": removed, "still_in_folder": left})
        return
    session.result(f"{len(removed)} documents removed from the index.")
    if left:
        session.say(f"[yellow]! the next seed indexes these again: {', '.join(left)}[/]")
