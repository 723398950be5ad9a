"""`salambot render`: write the env and the Compose override without starting anything."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from salambot_cli.commands.options import presets
from salambot_cli.terminal.output import Output

if TYPE_CHECKING:
    from salambot_cli.render.files import Rendering

app = typer.Typer()


class RenderTarget(StrEnum):
    """The target of rendered files."""

    COMPOSE = "compose"
    KUBERNETES = "kubernetes"


@app.command()
def render(
    context: typer.Context,
    diff: bool = typer.Option(False, "--diff", help="Show what would change, and write nothing."),
    check: bool = typer.Option(False, "--check", help="Write nothing; exit 1 when something would change."),
    target: RenderTarget = typer.Option(RenderTarget.COMPOSE, "--target", help="What the files are for."),
    output: Path = typer.Option(None, "--output", metavar="DIR", help="Where to write (default: .salambot/rendered)."),
    topology: str = typer.Option(None, help="Presets in order, comma-separated: local, t1, t2, t3."),
    image: str = typer.Option(None, metavar="IMAGE", help="Kubernetes: the image, with its registry and tag."),
    account: str = typer.Option(None, metavar="ID", help="Kubernetes: the AWS account of the roles."),
) -> None:
    """Write the files that `up` uses.

    These are the Compose file, its override with the variables of each service, and the env file.

    In their folder, plain `docker compose` needs no option. With secrets = "aws" no secret is in them.

    For Kubernetes it writes a Kustomize base with overlays: `kubectl apply -k DIR/overlays/small`.

    Examples:  [bold]salambot render --diff[/]   [bold]salambot render --check[/]
    [bold]salambot render --output DIR[/]
    [bold]salambot render --target kubernetes --output k8s --image registry.example/salambot:1.0[/]
    """
    from salambot_cli.config.load import load_environment
    from salambot_cli.render.files import render as render_files
    from salambot_cli.render.files import render_manifests
    from salambot_cli.stack.output import change_document
    from salambot_cli.stack.status import pending_changes, show_pending
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_environment(session.project, {"topology": presets(topology)})
    folder = output.resolve() if output else None
    if target is RenderTarget.KUBERNETES:
        rendering = run(render_manifests(environment, folder, image, account))
    else:
        rendering = run(render_files(environment, folder))
    for note in rendering.notes:
        session.say(note)
    kept = [] if diff or check else rendering.write()
    pending = run(pending_changes(environment)) if diff and target is not RenderTarget.KUBERNETES else ()
    if session.machine:
        session.document(
            {
                "status": "drift" if rendering.changes and (diff or check) else "rendered",
                "folder": str(rendering.folder),
                "files": sorted(rendering.files),
                "changes": [{"file": c.name, "edited_by_hand": c.by_hand, "diff": c.diff} for c in rendering.changes],
                "kept": [str(path) for path in kept],
                "pending": [change_document(change) for change in pending],
            }
        )
    else:
        _tell(session, rendering, kept, diff=diff)
        if pending:
            session.say("`salambot up` would change of what runs:")
            show_pending(session, pending)
        if target is RenderTarget.KUBERNETES and not (diff or check or output or sys.stdout.isatty()):
            from salambot_cli.render.kubernetes import manifest_stream

            typer.echo(manifest_stream(rendering.files), nl=False)  # for whoever checks it at the end of a pipe
    if check and rendering.changes:
        raise typer.Exit(1)


def _tell(session: Output, rendering: "Rendering", kept: list[Path], *, diff: bool) -> None:
    for change in rendering.changes:
        if diff or change.by_hand:
            from rich.text import Text

            session.result(Text(change.diff))
        session.say(f"{rendering.folder / change.name}: {'edited by hand' if change.by_hand else 'changed'}")
    for path in kept:
        session.say(f"The edited file is kept as {path}; put what is yours into {rendering.owners_file}.")
    if not rendering.changes:
        session.say(f"Nothing changes in {rendering.folder}.")
