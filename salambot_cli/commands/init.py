"""`salambot init`: a project to start from."""

import sys
from typing import TYPE_CHECKING

import typer

from salambot_cli.commands.options import presets
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

if TYPE_CHECKING:
    from salambot_cli.init.interview import InitContext

app = typer.Typer()


@app.command()
def init(
    context: typer.Context,
    topology: str | None = typer.Option(None, help="Presets in order, comma-separated: local, t1, t2, t3."),
    tenant: str | None = typer.Option(None, help="Whose documents and customers these are."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Ask nothing: take what is found, and the defaults."),
    force: bool = typer.Option(False, "--force", help="Overwrite what is there."),
) -> None:
    """Write salambot.toml, .env.example and a sample kb/ here.

    On a terminal it asks, with good defaults: an older .env, AWS profiles and a Docker engine are found by themselves.

    Examples:  [bold]salambot init[/]   [bold]salambot init --yes[/]   [bold]salambot init --topology t1,t3[/]
    """
    from salambot_cli.config.load import CONFIG_NAME
    from salambot_cli.init.interview import ask_settings, detect_context
    from salambot_cli.init.project import next_steps, start_project
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    found = run(detect_context(session.project))
    person = sys.stdin.isatty() and sys.stderr.isatty()
    there = (session.project / CONFIG_NAME).exists() and not force
    ask = _ask if person and not (there or yes or topology or session.machine or session.quiet) else None
    if there:
        session.say(f"This folder has a {CONFIG_NAME} already; what is missing beside it is added.")
    else:
        _tell(session, found)
    presets(topology)
    start = ask_settings(found, session.project, topology=topology, tenant=tenant, ask=ask)
    written, kept = start_project(session.project, start, force=force)
    if session.machine:
        session.document({"status": "done", "written": written, "kept": kept})
        return
    for name in _folded(written):
        session.say(f" [green]✓[/] {name}")
    for name in _folded(kept):
        session.say(f" [dim]= {name} is there already (--force overwrites it)[/]")
    session.say(
        "[dim]Answers across languages get better with EMBEDDER=e5 in .env"
        " (91 MB to install, 40 ms a question on one core).[/]"
    )
    session.say("Next:")
    for line in next_steps(session.project):
        session.say(f"  [bold]{line}[/]")


def _ask(question: str, usual: str) -> str:
    return str(typer.prompt(translate(question), default=usual, err=True))


def _tell(session: Output, found: "InitContext") -> None:
    if session.machine:
        return
    if found.env_file is not None:
        session.say(f"[bold]{found.env_file}[/] was found. It places:")
        for component, reason in found.proposal.reasons.items():
            session.say(f"  {component:<9} [dim]({reason})[/]")
    if found.profiles:
        session.say(f"AWS profiles: {', '.join(found.profiles)}")
    engine = f"Docker {found.docker} answers" if found.docker else "No Docker engine answers: plain processes are used"
    session.say(f"[dim]{translate(engine)}[/]")


def _folded(names: list[str]) -> list[str]:
    """Name the documents of the knowledge base by their folder."""
    documents = [name for name in names if name.startswith("kb/")]
    files = [name for name in names if name not in documents]
    return files + ([f"kb/ ({len(documents)} documents)"] if documents else [])
