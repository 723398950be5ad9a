"""`salambot smoke`: health, generate, search and their refusals, against the running stack."""

from dataclasses import asdict, replace
from pathlib import Path

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def smoke(
    context: typer.Context,
    url: str | None = typer.Option(None, help="Another gateway than this environment's own."),
    junit: Path | None = typer.Option(None, metavar="FILE", help="Write the results as JUnit XML too."),
) -> None:
    """Test the running chatbot: health, answers, refusals.

    Exit 0 when every check passes, else 1.

    Examples:  [bold]salambot smoke[/]   [bold]salambot smoke --junit smoke.xml[/]
    """
    from salambot_cli.audit.records import pull_recorded
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.host.files import replace_file
    from salambot_cli.stack.gateway import gateway_of
    from salambot_cli.stack.orchestrateur import own_value
    from salambot_cli.stack.running import require_stack
    from salambot_cli.stack.smoke import SmokeResult, find_silence
    from salambot_cli.stack.smoke import junit as as_junit
    from salambot_cli.stack.smoke import smoke as run_checks
    from salambot_cli.telemetry.command_span import command_span
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    if url is None:
        run(require_stack(environment))
    environment = run(pull_recorded(environment)).environment
    secret = own_value(environment, "META_APP_SECRET") if url is None else None

    async def checks() -> list[SmokeResult]:
        if (silence := await find_silence(gateway_of(environment, url=url))) is not None:
            return [silence]
        async with command_span(session, environment, "smoke") as trace:
            return await run_checks(replace(gateway_of(environment, url=url), trace=trace), app_secret=secret)

    results = run(checks())
    status = "pass" if all(result.status == "pass" for result in results) else "fail"
    if junit is not None:
        replace_file(junit, as_junit(results), mode=0o644)
    if session.machine:
        session.document({"status": status, "checks": [asdict(result) for result in results]})
    else:
        for result in results:
            mark = "[green]✓[/]" if result.status == "pass" else "[red]✗[/]"
            session.result(f"{mark} {result.id:<28} [dim]{result.latency_ms:>5} ms[/]  {result.detail}".rstrip())
        if status == "fail":
            session.say("[bold]→ salambot doctor[/]")
    raise typer.Exit(0 if status == "pass" else 1)
