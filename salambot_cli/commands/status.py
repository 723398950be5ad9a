"""`salambot status`: every service and component, each tested now."""

from typing import TYPE_CHECKING

import typer

from salambot_cli.outside.console import Session
from salambot_cli.outside.language import translate

if TYPE_CHECKING:
    from salambot_cli.model.environment import Environment
    from salambot_cli.model.unit import Observed

app = typer.Typer()


@app.command()
def status(
    context: typer.Context,
    watch: bool = typer.Option(False, "--watch", "-w", help="Look again every two seconds."),
) -> None:
    """Show what runs, how it is, where it is.

    Examples:  [bold]salambot status[/]   [bold]salambot status --json[/]
    """
    from salambot_cli.catalog.load import load_environment
    from salambot_cli.outside.interrupts import run

    session: Session = context.obj
    environment = load_environment(session.project)
    if watch:
        run(_watch(session, environment))
    observed = run(_look(environment))
    _show(session, environment, observed)
    if observed.status == "degraded" and not session.machine:
        from salambot_cli.doctor.afterwards import show_glance

        run(show_glance(session, environment))


async def _look(environment: "Environment") -> "Observed":
    from salambot_cli.steps.look import look

    return await look(environment)


async def _watch(session: Session, environment: "Environment") -> None:
    import asyncio

    from rich.live import Live

    from salambot_cli.steps.show import parts_table

    with Live(console=session.people(), auto_refresh=False) as live:
        while True:
            observed = await _look(environment)
            if session.machine:
                _show(session, environment, observed)
            else:
                live.update(parts_table(observed), refresh=True)
            await asyncio.sleep(2)


def _show(session: Session, environment: "Environment", observed: "Observed") -> None:
    from salambot_cli.outside.state import read_state
    from salambot_cli.steps.show import components_document, parts_table, services_document, worker_document

    if session.machine:
        session.document(
            {
                "status": observed.status,
                "runtime": observed.runtime,
                "topology": list(environment.topology),
                "tenant": environment.tenant,
                "services": services_document(observed),
                "components": components_document(observed),
                "worker": worker_document(observed),
                "public_url": read_state(environment.root).public_url,
            }
        )
        return
    session.result(parts_table(observed))
    if observed.status != "ready":
        mending = "up" if observed.status == "down" else "doctor"
        session.say(f"[yellow]{translate(observed.status)}[/]  → salambot {mending}")
