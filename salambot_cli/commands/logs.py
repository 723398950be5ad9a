"""`salambot logs`: what the services and components said, merged by time."""

import re
from datetime import UTC, datetime, timedelta

import typer

from salambot_cli.commands import completion
from salambot_cli.terminal.output import Output

app = typer.Typer()
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@app.command()
def logs(
    context: typer.Context,
    services: list[str] | None = typer.Argument(
        None, metavar="SERVICE", autocompletion=completion.logged, help="Only these services or components."
    ),
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on as new lines come."),
    since: str | None = typer.Option(
        None, metavar="TIME", help="5m, 2h, 1d, or a UTC time such as 2026-01-05T09:00:00Z."
    ),
    grep: str | None = typer.Option(None, metavar="PATTERN", help="Only lines that match this regular expression."),
    trace: str | None = typer.Option(None, metavar="ID", help="What all services said of one request, in order."),
) -> None:
    """Show the logs of the services and local components.

    Examples:  [bold]salambot logs gateway -f[/]   [bold]salambot logs --since 5m --grep error[/]
    [bold]salambot logs --trace ID[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.stack.choose_runtime import running_runtime
    from salambot_cli.stack.logs import show_logs, show_trace_logs
    from salambot_cli.stack.running import require_logs
    from salambot_cli.terminal.interrupts import run, run_until_interrupt

    session: Output = context.obj
    environment = load_started_environment(session.project)
    require_logs(environment, services or ())
    if trace is not None:
        identifier = _trace_id(trace, other=bool(follow or since or grep))
        sources = tuple(services or ())
        found = run(show_trace_logs(session, running_runtime(environment), environment, sources, identifier))
        if not found:
            session.say(f"No line of the trace {identifier} is kept.")
        raise typer.Exit(0 if found else 1)
    (run_until_interrupt if follow else run)(
        show_logs(
            session,
            running_runtime(environment),
            environment,
            tuple(services or ()),
            since=_start(since),
            follow=follow,
            pattern=_pattern(grep),
        )
    )


def _trace_id(text: str, *, other: bool) -> str:
    if other:
        raise typer.BadParameter("goes with no other option", param_hint="--trace")
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise typer.BadParameter("should be 32 lowercase hexadecimal digits, as chat prints them", param_hint="--trace")
    return text


def _start(text: str | None) -> str | None:
    """Turn `5m` or a timestamp into a UTC timestamp that compares with those of the lines."""
    if text is None:
        return None
    if match := re.fullmatch(r"(\d+)([smhd])", text):
        moment = datetime.now(UTC) - timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise typer.BadParameter(
                "should be 30s, 5m, 2h, 1d or a time such as 2026-01-05T09:00:00Z", param_hint="--since"
            ) from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise typer.BadParameter(f"is no regular expression: {error}", param_hint="--grep") from error
