"""`salambot open`: the console in the browser."""

import re
from typing import Literal

import typer

from salambot_cli.terminal.output import Output

View = Literal["trace", "conversation", "webhook", "requests", "conversations", "webhooks", "logs", "knowledge"]
_ITEMS = {"trace": "requests", "conversation": "conversations", "webhook": "webhooks"}
app = typer.Typer()


@app.command()
def open(  # noqa: A001 - the command's name
    context: typer.Context,
    view: View | None = typer.Argument(None, help="A view of the console; without it, the first page."),
    identity: str | None = typer.Argument(None, metavar="ID", help="Which trace, conversation or webhook."),
    browser: bool = typer.Option(True, "--browser/--no-browser", help="Open a browser, or only print the address."),
    doctor: bool = typer.Option(True, "--doctor/--no-doctor", help="Let the doctor look first, for the console."),
) -> None:
    """Open the console in a browser.

    The console is a page of the gateway for this machine alone; it prints the address where no browser can be opened.

    Examples:  [bold]salambot open[/]   [bold]salambot open trace ID[/]   [bold]salambot open --no-browser[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.doctor.diagnose import diagnose
    from salambot_cli.doctor.reporting import publish_report
    from salambot_cli.host.browser import open_page
    from salambot_cli.stack.console import console_url, require_console
    from salambot_cli.terminal.i18n import current_language
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    if identity is not None and not re.fullmatch("[0-9a-f]{8,32}", identity):
        raise typer.BadParameter("should be an id as it is shown, or its first 8 digits and more", param_hint="ID")
    environment = load_started_environment(session.project)
    run(require_console(environment))
    if doctor:
        run(publish_report(environment, run(diagnose(environment)).as_json(), complete=True))
    url = f"{console_url(environment)}{_path(view, identity)}?lang={current_language()}"
    opened = browser and not session.machine and open_page(url)
    if session.machine:
        session.document({"status": "done", "url": url})
    elif opened:
        session.say(f"[green]✓[/] {url}")
    else:
        session.result(url)


def _path(view: str | None, identity: str | None) -> str:
    """Return the path of a view below the console's; one item has the address of its list and its id."""
    if view in _ITEMS and identity is None:
        raise typer.BadParameter(f"is missing: which {view}?", param_hint="ID")
    if identity is not None and view not in _ITEMS:
        raise typer.BadParameter(f"{view} has no items: leave it away", param_hint="ID")
    return "".join(f"/{part}" for part in (_ITEMS.get(view or "", view), identity) if part)
