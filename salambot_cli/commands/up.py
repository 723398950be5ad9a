"""`salambot up`: start what is not running, heal what is broken, leave the rest alone."""

import time

import typer

from salambot_cli.commands import completion
from salambot_cli.commands.options import presets
from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def up(
    context: typer.Context,
    services: list[str] | None = typer.Argument(
        None,
        metavar="SERVICE",
        autocompletion=completion.services,
        help="Only these services, and what they need.",
    ),
    topology: str | None = typer.Option(None, help="Presets in order, comma-separated: local, t1, t2, t3."),
    runtime: str | None = typer.Option(None, help="auto, compose or process."),
    seed: bool | None = typer.Option(
        None, "--seed/--no-seed", help="Seed the knowledge base (default: when the index is empty)."
    ),
    tunnel: bool | None = typer.Option(None, "--tunnel/--no-tunnel", help="Publish the gateway's webhooks."),
    port: list[str] | None = typer.Option(None, metavar="NAME=PORT", help="A port of this run, such as gateway=auto."),
    ports: str | None = typer.Option(None, metavar="auto", help="auto: every port of this run is a free one."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the plan and stop."),
    timeout: float = typer.Option(600, min=1, metavar="S", help="Give up after S seconds."),
    wait: bool = typer.Option(True, "--wait", hidden=True),  # `up` always waits
    foreground: bool = typer.Option(False, "--foreground", help="Stay, show the logs, and stop everything on Ctrl-C."),
    open_browser: bool = typer.Option(False, "--open", help="Open the console when it is ready."),
) -> None:
    """Start the chatbot, and wait until it is healthy.

    Run it again after a change or a crash: only what changed or died is started again.

    Examples:  [bold]salambot up[/]   [bold]salambot up --ports auto[/]   [bold]salambot up --dry-run[/]
    """
    from salambot_cli.config.load import load_environment
    from salambot_cli.model.errors import PrerequisiteError
    from salambot_cli.stack.supervisor_client import UnitFailedError
    from salambot_cli.stack.up import UpRequest, show_plan, start_stack
    from salambot_cli.terminal.interrupts import run

    del wait  # for scripts that say so
    session: Output = context.obj
    asked: dict[str, object] = {
        "topology": presets(topology),
        "runtime": runtime,
        "placement.tunnel": {None: None, True: "cloudflared", False: "none"}[tunnel],
        **_all_ports(ports),
        **_ports(port or []),
    }
    asked = {key: value for key, value in asked.items() if value is not None}
    request = UpRequest(tuple(services or ()), seed, timeout, foreground, open_browser, asked)
    environment = load_environment(session.project, asked)
    if dry_run:
        raise typer.Exit(run(show_plan(session, environment, request)))
    try:
        run(start_stack(session, environment, request, time.monotonic()))
    except PrerequisiteError:
        from salambot_cli.doctor.failure_hints import show_prerequisites

        run(show_prerequisites(session, environment))
        raise
    except UnitFailedError as failure:
        from salambot_cli.doctor.failure_hints import show_causes

        run(show_causes(session, environment, failure.unit))
        raise


def _all_ports(wanted: str | None) -> dict[str, object]:
    from salambot_cli.config.schema import PortsTable

    if wanted not in {None, "auto"}:
        raise typer.BadParameter(f"{wanted}: should be auto; a single one: --port NAME=PORT", param_hint="--ports")
    return {f"ports.{name}": "auto" for name in PortsTable.model_fields} if wanted else {}


def _ports(pairs: list[str]) -> dict[str, object]:
    ports: dict[str, object] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise typer.BadParameter(f"{pair}: should be NAME=PORT, such as gateway=8090", param_hint="--port")
        ports[f"ports.{name}"] = int(value) if value.isdigit() else value
    return ports
