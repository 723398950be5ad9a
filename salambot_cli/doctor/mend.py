"""`doctor --fix`: show the exact commands, ask one by one, run only those marked safe."""

import shlex
from collections.abc import Sequence

from salambot_cli.model.finding import Finding
from salambot_cli.outside.console import Session
from salambot_cli.outside.programs import run

_SECONDS = 120.0


async def mend(session: Session, roots: Sequence[Finding]) -> bool:
    """Offer each root cause's commands; tell whether any was run with success."""
    mended = False
    for finding in roots:
        for command in finding.remedy.commands if finding.remedy is not None else ():
            mended = await _offer(session, finding, command) or mended
    return mended


async def _offer(session: Session, finding: Finding, command: str) -> bool:
    import typer
    from rich.markup import escape

    session.say(f"\n[bold]{escape(finding.title)}[/]\n  {escape(command)}")
    if finding.remedy is None or not finding.remedy.safe:
        session.say("  [dim]not run by itself: look at it, then run it yourself[/]")
        return False
    if not typer.confirm("  Run it?", default=False, err=True):
        return False
    ran = await run(*shlex.split(command), seconds=_SECONDS)
    if ran.status == 0:
        session.say("  [green]✓ done[/]")
        return True
    session.say(f"  [red]✗ {escape((ran.err or ran.out)[:500])}[/]")
    return False
