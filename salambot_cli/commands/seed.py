"""`salambot seed`: documents into the object store and the index."""

from pathlib import Path
from typing import cast

import typer

from salambot_cli.outside.console import Session

app = typer.Typer()


@app.command()
def seed(
    context: typer.Context,
    path: Path | None = typer.Argument(None, help="A folder of documents (default: kb/, else the sample)."),
    tenant: str | None = typer.Option(None, help="Whose documents these are."),
    full: bool = typer.Option(False, "--full/--incremental", help="Index everything anew, or only what changed."),
    vector: str | None = typer.Option(None, help="local, pinecone or qdrant."),
    prune: bool = typer.Option(True, "--prune/--no-prune", help="Drop what the folder no longer has."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Count, change nothing."),
) -> None:
    """Index your documents. Only what changed since the last time costs anything.

    Examples:  [bold]salambot seed docs/[/]   [bold]salambot seed --dry-run[/]
    """
    from salambot_cli.catalog.load import load_environment
    from salambot_cli.catalog.pull import pull
    from salambot_cli.outside.interrupts import run
    from salambot_cli.runtimes.choose import running_runtime
    from salambot_cli.steps.seed import request_for
    from salambot_cli.steps.seed import seed as run_seed

    session: Session = context.obj
    flags: dict[str, object] = {"tenant": tenant, "placement.vector": vector}
    environment = pull(load_environment(session.project, flags)).environment
    request = request_for(environment, path, full=full, prune=prune, dry_run=dry_run)
    document = run(run_seed(running_runtime(environment), environment, request))
    if session.machine:
        session.document(document)
        return
    documents, chunks = cast("dict[str, object]", document["documents"]), cast("dict[str, int]", document["chunks"])
    counts = ", ".join(f"{documents[name]} {name}" for name in ("seen", "added", "changed", "unchanged", "removed"))
    session.result(f"{request.label}: {counts}; {chunks['embedded']} chunks embedded, {chunks['deleted']} deleted.")
    for rejected in cast("list[dict[str, str]]", documents["rejected"]):
        session.say(f"  [yellow]✗ {rejected['path']}: {rejected['reason']}[/]")
