"""`salambot seed`: documents into the object store and the index."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from salambot_cli.commands import completion
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

if TYPE_CHECKING:
    from salambot_cli.model.environment import Environment
    from salambot_cli.seed.documents import SeedRequest, UndecidedError

app = typer.Typer()
_MAX_SHOWN = 30
"""Documents of which a person sees one by one what they gave; `--json` lists them all."""


@app.command()
def seed(
    context: typer.Context,
    path: Path | None = typer.Argument(None, help="A folder of documents (default: kb/, else the sample)."),
    tenant: str | None = typer.Option(None, autocompletion=completion.tenants, help="Whose documents these are."),
    full: bool = typer.Option(False, "--full/--incremental", help="Index everything again, or only what changed."),
    vector: str | None = typer.Option(None, help="local, pinecone or qdrant."),
    prune: bool | None = typer.Option(
        None, "--prune/--no-prune", help="Drop what the folder no longer has (default: yes; asks if that is over half)."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Count, change nothing."),
    spread: bool = typer.Option(False, "--spread", help="Share the work with all seed workers, by Redis."),
    from_s3: bool = typer.Option(False, "--from-s3", help="Upload nothing: index what the object store holds."),
    evaluate: Path | None = typer.Option(None, metavar="FILE", help="Measure the index with your questions."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask: remove, and pay for embedding."),
) -> None:
    """Index your documents; only changes are processed.

    Examples:  [bold]salambot seed docs/[/]   [bold]salambot seed --dry-run[/]   [bold]salambot seed --evaluate FILE[/]
    """
    from dataclasses import replace

    from salambot_cli.audit.records import pull_recorded
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.host.document_mirror import sample_left_out
    from salambot_cli.model.errors import ConfigurationError
    from salambot_cli.seed.documents import UndecidedError, request_for
    from salambot_cli.seed.documents import seed as run_seed
    from salambot_cli.seed.evaluate import evaluate as run_evaluation
    from salambot_cli.seed.evaluate import figures_table
    from salambot_cli.seed.progress import seed_progress
    from salambot_cli.stack.console import forward_seed_events
    from salambot_cli.stack.running import require_stack
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    if path is not None and (from_s3 or evaluate is not None):
        other = "--from-s3" if from_s3 else "--evaluate"
        raise ConfigurationError(f"{other} takes no PATH", "it works on what is there", f"salambot seed {other}")
    flags: dict[str, object] = {"tenant": tenant, "placement.vector": vector}
    environment = load_started_environment(session.project, flags)
    runtime, _ = run(require_stack(environment, "orchestrateur"))
    environment = run(pull_recorded(environment)).environment
    if evaluate is not None:
        figures = run(run_evaluation(runtime, environment, evaluate, vector))
        session.document(figures) if session.machine else session.result(figures_table(figures))
        return
    prune = True if yes and prune is None else prune
    request = replace(request_for(environment, path), full=full, prune=prune, dry_run=dry_run, paid=yes, spread=spread)
    request = replace(request, path=None, label="the object store") if from_s3 else request
    while True:
        try:
            with seed_progress(session) as show, forward_seed_events(environment, show) as hear:
                document = run(_in_a_trace(session, environment, request, partial(run_seed, runtime, hear=hear)))
            break
        except UndecidedError as undecided:
            request = _decided(session, request, undecided)
    _show(session, request.label, document)
    if request.path is not None and not session.machine and (left_out := sample_left_out(request.path)):
        session.say(f"  [dim]{left_out} documents of the sample are left out: the project has its own.[/]")


async def _in_a_trace(
    session: Output,
    environment: "Environment",
    request: "SeedRequest",
    seed: Callable[["Environment", "SeedRequest"], Awaitable[dict[str, object]]],
) -> dict[str, object]:
    from dataclasses import replace

    from salambot_cli.telemetry.command_span import command_span

    async with command_span(session, environment, "seed") as trace:
        return await seed(environment, replace(request, traceparent=trace.traceparent))


def _decided(session: Output, request: "SeedRequest", undecided: "UndecidedError") -> "SeedRequest":
    """Ask a person; without one, or where a flag has to say it, the error says what to type."""
    from dataclasses import replace

    if session.machine or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise undecided
    if undecided.decision == "removals":
        return replace(request, prune=typer.confirm(translate(f"{undecided.why}. Remove them?"), err=True))
    if undecided.decision == "cost":
        typer.confirm(translate(f"{undecided.why} — continue?"), abort=True, err=True)
        return replace(request, paid=True)
    raise undecided


def _show(session: Output, label: str, document: dict[str, object]) -> None:
    if session.machine:
        session.document(document)
        return
    documents, chunks = cast("dict[str, object]", document["documents"]), cast("dict[str, int]", document["chunks"])
    counts = ", ".join(f"{documents[name]} {name}" for name in ("seen", "added", "changed", "unchanged", "removed"))
    session.result(f"{label}: {counts}; {chunks['embedded']} chunks embedded, {chunks['deleted']} deleted.")
    listed = cast("list[dict[str, Any]]", document.get("read", []))
    for read in listed[:_MAX_SHOWN]:
        session.say(f"  {read['path']}: {_contents(read)}")
    for read in listed:
        for warning in read["warnings"]:
            session.say(f"  [yellow]! {read['path']}: {warning}[/]")
    for rejected in cast("list[dict[str, str]]", documents["rejected"]):
        session.say(f"  [yellow]✗ {rejected['path']}: {rejected['reason']}[/]")


def _contents(read: Mapping[str, Any]) -> str:
    """Say how many passages a document gave, and how many of them are rows of tables."""
    passages = f"{read['passages']} passages"
    return f"{passages}, {read['rows']} of them rows" if read["rows"] else passages
