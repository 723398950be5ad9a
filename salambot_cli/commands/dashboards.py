"""`salambot dashboards`: what Grafana shows of the chatbot, as code."""

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer(no_args_is_help=True, help="Put the dashboards into a Grafana.")


@app.callback()
def dashboards() -> None:
    """Put the dashboards into a Grafana."""


@app.command()
def push(
    context: typer.Context,
    url: str | None = typer.Option(None, help="The Grafana (else telemetry.grafana_url of salambot.toml)."),
    folder: str = typer.Option("SalamBot", help="The folder in Grafana that they stand in."),
) -> None:
    """Create or update the dashboards; the token of a service account is in GRAFANA_TOKEN.

    Example:  [bold]salambot dashboards push --url https://shop.grafana.net[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.telemetry.dashboards import push_dashboards
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    pushed = run(push_dashboards(load_started_environment(session.project), url, folder))
    if session.machine:
        session.document({"status": "done", "dashboards": pushed})
        return
    for one in pushed:
        session.result(f"{one['title']:<36} {one['url']}")
