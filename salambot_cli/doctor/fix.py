"""`doctor --fix`: show the exact commands, ask once, run only those marked safe."""

import shlex
from collections.abc import Sequence

from salambot_cli.host.programs import run
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Finding
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

_SECONDS = 120.0


async def apply_fixes(session: Output, environment: Environment, roots: Sequence[Finding]) -> bool:
    """Show each root cause's commands, and run the safe ones after one question; return whether any succeeded."""
    import typer
    from rich.markup import escape

    safe: list[str] = []
    for finding in roots:
        if finding.remedy is None or not finding.remedy.commands:
            continue
        session.say(f"\n[bold]{escape(translate(finding.title))}[/]")
        for command in finding.remedy.commands:
            session.say(f"  {escape(command)}")
        if finding.remedy.safe:
            safe += finding.remedy.commands
        else:
            session.say("  [dim]not run by itself: look at it, then run it yourself[/]")
    if not safe or not typer.confirm(translate("Run the safe commands above?"), default=False, err=True):
        return False
    return any([await _run(session, environment, command) for command in dict.fromkeys(safe)])


async def _run(session: Output, environment: Environment, command: str) -> bool:
    from rich.markup import escape

    ran = await run(*shlex.split(command), seconds=_SECONDS, more=_aws_variables(environment))
    if ran.status == 0:
        session.say(f"  [green]✓[/] {escape(command)}")
        return True
    session.say(f"  [red]✗ {escape((ran.err or ran.out)[:500])}[/]")
    return False


def _aws_variables(environment: Environment) -> dict[str, str]:
    """Return what the aws command reads from its environment: the same account and region as the doctor's."""
    found = {name: environment.value(name) or "" for name in environment.variables if name.startswith("AWS_")}
    region = environment.aws.region or found.get("AWS_REGION")
    return found | ({"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {}) | {"AWS_PAGER": ""}
