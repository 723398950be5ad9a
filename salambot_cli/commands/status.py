"""`salambot status`: every service and component, each tested now."""

from typing import TYPE_CHECKING

import typer

from salambot_cli.terminal.output import Output

if TYPE_CHECKING:
    from salambot_cli.model.environment import Environment

app = typer.Typer()


@app.command()
def status(
    context: typer.Context,
    watch: bool = typer.Option(False, "--watch", "-w", help="Look again every two seconds."),
    output: str | None = typer.Option(None, "--output", "-o", metavar="env", help="env: NAME=value lines for a shell."),
    exit_code: bool = typer.Option(False, "--exit-code", help="Exit 1 unless everything is healthy."),
) -> None:
    """Show every part: placement, health, URL, uptime.

    Examples:  [bold]salambot status[/]   [bold]salambot status --json[/]   [bold]eval "$(salambot status -o env)"[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.stack.status import addresses, look, show_status
    from salambot_cli.terminal.interrupts import run, run_until_interrupt

    session: Output = context.obj
    if output not in {None, "env"}:
        raise typer.BadParameter(f"should be env, not {output!r}", param_hint="--output")
    environment = load_started_environment(session.project)
    if watch:
        run_until_interrupt(_watch(session, environment))
    seen = run(look(environment))
    if output == "env":
        typer.echo(addresses(environment, seen))
    else:
        show_status(session, environment, seen)
    if output is None and seen.observed.status == "degraded" and not session.machine:
        from salambot_cli.doctor.failure_hints import show_glance

        run(show_glance(session, environment))
    if exit_code and seen.observed.status != "ready":
        raise typer.Exit(1)


async def _watch(session: Output, environment: "Environment") -> None:
    import asyncio

    from rich.live import Live

    from salambot_cli.stack.output import parts_view
    from salambot_cli.stack.status import look, show_status

    with Live(console=session.people(), auto_refresh=False) as live:
        while True:
            seen = await look(environment)
            if session.machine:
                show_status(session, environment, seen)
            else:
                live.update(parts_view(seen.observed), refresh=True)
            await asyncio.sleep(2)
