"""`salambot render`: write the env and the Compose override without starting anything."""

from enum import StrEnum
from pathlib import Path

import typer

from salambot_cli.outside.console import Session

app = typer.Typer()


class Target(StrEnum):
    """What the files are for."""

    COMPOSE = "compose"
    KUBERNETES = "kubernetes"


@app.command()
def render(
    context: typer.Context,
    diff: bool = typer.Option(False, "--diff", help="Show what would change, and write nothing."),
    check: bool = typer.Option(False, "--check", help="Write nothing; exit 1 when something would change."),
    target: Target = typer.Option(Target.COMPOSE, "--target", help="What the files are for."),
    output: Path = typer.Option(None, "--output", metavar="DIR", help="Where to write (default: .salambot/rendered)."),
    topology: str = typer.Option(None, help="Presets in order, comma-separated: local, t1, t2, t3."),
) -> None:
    """Write the files that `up` uses: the Compose file, its override with each service's variables, the env.

    In their folder, plain `docker compose` needs no option. With secrets = "aws" no secret is in them.

    Examples:  [bold]salambot render --diff[/]   [bold]salambot render --check[/]
    [bold]salambot render --output DIR[/]
    """
    from salambot_cli.catalog.load import load_environment
    from salambot_cli.model.errors import ConfigurationError
    from salambot_cli.outside.interrupts import run
    from salambot_cli.steps.render import render as render_files

    session: Session = context.obj
    if target is Target.KUBERNETES:
        raise ConfigurationError("nothing is rendered for Kubernetes yet", "", "salambot render --target compose")
    environment = load_environment(session.project, {"topology": topology.split(",") if topology else None})
    rendering = run(render_files(environment, output.resolve() if output else None))
    kept = [] if diff or check else rendering.write()
    if session.machine:
        session.document(
            {
                "status": "drift" if rendering.changes and (diff or check) else "rendered",
                "folder": str(rendering.folder),
                "files": sorted(rendering.files),
                "changes": [{"file": c.name, "edited_by_hand": c.by_hand, "diff": c.diff} for c in rendering.changes],
                "kept": [str(path) for path in kept],
            }
        )
    else:
        _tell(session, rendering.folder, [(c.name, c.by_hand, c.diff) for c in rendering.changes], kept, diff=diff)
    if check and rendering.changes:
        raise typer.Exit(1)


def _tell(
    session: Session, folder: Path, changes: list[tuple[str, bool, str]], kept: list[Path], *, diff: bool
) -> None:
    from rich.text import Text

    for name, by_hand, difference in changes:
        if diff or by_hand:
            session.result(Text(difference))
        session.say(f"{folder / name}: {'edited by hand' if by_hand else 'changed'}")
    for path in kept:
        session.say(f"The edited file is kept as {path}; put what is yours into compose.local.yml.")
    if not changes:
        session.say(f"Nothing changes in {folder}.")
