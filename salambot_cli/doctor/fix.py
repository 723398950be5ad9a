"""`doctor --fix`: show the exact commands, ask one by one, run only those marked safe."""

import shlex
from collections.abc import Sequence

from salambot_cli.host.programs import run
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Finding
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

_SECONDS = 120.0


async def apply_fixes(session: Output, environment: Environment, roots: Sequence[Finding]) -> bool:
    """Offer each root cause's commands; tell whether any was run with success."""
    mended = False
    for finding in roots:
        for command in finding.remedy.commands if finding.remedy is not None else ():
            mended = await _offer(session, environment, finding, command) or mended
    return mended


async def _offer(session: Output, environment: Environment, finding: Finding, command: str) -> bool:
    import typer
    from rich.markup import escape

    session.say(f"\n[bold]{escape(translate(finding.title))}[/]\n  {escape(command)}")
    if finding.remedy is None or not finding.remedy.safe:
        session.say("  [dim]not run by itself: look at it, then run it yourself[/]")
        return False
    if not typer.confirm(translate("  Run it?"), default=False, err=True):
        return False
    ran = await run(*shlex.split(command), seconds=_SECONDS, more=_aws_variables(environment))
    if ran.status == 0:
        session.say("  [green]✓ done[/]")
        return True
    session.say(f"  [red]✗ {escape((ran.err or ran.out)[:500])}[/]")
    return False


def _aws_variables(environment: Environment) -> dict[str, str]:
    """Return what the aws command reads from its environment: the same account and region as the doctor's."""
    found = {name: environment.value(name) or "" for name in environment.variables if name.startswith("AWS_")}
    region = environment.aws.region or found.get("AWS_REGION")
    return found | ({"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {}) | {"AWS_PAGER": ""}
