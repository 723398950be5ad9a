"""`salambot open`: the console in the browser."""

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def open(  # noqa: A001 - the command's name
    context: typer.Context,
    browser: bool = typer.Option(True, "--browser/--no-browser", help="Open a browser, or only print the address."),
    doctor: bool = typer.Option(True, "--doctor/--no-doctor", help="Let the doctor look first, for the console."),
) -> None:
    """Open the console in a browser.

    The console is a page of the gateway for this machine alone; it prints the address where no browser can be opened.

    Examples:  [bold]salambot open[/]   [bold]salambot open --no-browser[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.doctor.diagnose import diagnose
    from salambot_cli.doctor.reporting import publish_report
    from salambot_cli.host.browser import open_page
    from salambot_cli.stack.console import console_url, require_console
    from salambot_cli.terminal.i18n import current_language
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    run(require_console(environment))
    if doctor:
        run(publish_report(environment, run(diagnose(environment)).as_json(), complete=True))
    url = f"{console_url(environment)}?lang={current_language()}"
    opened = browser and not session.machine and open_page(url)
    if session.machine:
        session.document({"status": "done", "url": url})
    elif opened:
        session.say(f"[green]✓[/] {url}")
    else:
        session.result(url)
