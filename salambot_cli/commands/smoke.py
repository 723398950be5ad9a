"""`salambot smoke`: health, generate, search and their refusals, against the running stack."""

from dataclasses import asdict, replace
from pathlib import Path

import typer

from salambot_cli.outside.console import Session

app = typer.Typer()


@app.command()
def smoke(
    context: typer.Context,
    url: str | None = typer.Option(None, help="Another gateway than this environment's own."),
    junit: Path | None = typer.Option(None, metavar="FILE", help="Write the results as JUnit XML too."),
) -> None:
    """Test the running stack. Exit 0 when every check passes, else 1.

    Examples:  [bold]salambot smoke[/]   [bold]salambot smoke --junit smoke.xml[/]
    """
    from salambot_cli.catalog.load import load_environment
    from salambot_cli.outside.files import replace_file
    from salambot_cli.outside.interrupts import run
    from salambot_cli.steps.gateway import gateway_of
    from salambot_cli.steps.orchestrateur import own_value
    from salambot_cli.steps.records import pull_recorded
    from salambot_cli.steps.running import require_stack
    from salambot_cli.steps.smoke import SmokeResult, find_silence
    from salambot_cli.steps.smoke import junit as as_junit
    from salambot_cli.steps.smoke import smoke as run_checks
    from salambot_cli.steps.traced import traced

    session: Session = context.obj
    environment = load_environment(session.project)
    if url is None:
        run(require_stack(environment))
    environment = run(pull_recorded(environment)).environment
    secret = own_value(environment, "META_APP_SECRET") if url is None else None

    async def checks() -> list[SmokeResult]:
        if (silence := await find_silence(gateway_of(environment, url=url))) is not None:
            return [silence]
        async with traced(session, environment, "smoke") as trace:
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
