"""Log lines of a stack, on their way to the terminal."""

import re

from salambot_cli.model.environment import Environment
from salambot_cli.outside.console import Session
from salambot_cli.runtimes.base import Runtime

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green")


async def show_logs(
    session: Session,
    runtime: Runtime,
    environment: Environment,
    sources: tuple[str, ...],
    *,
    since: str | None,
    follow: bool,
    pattern: re.Pattern[str] | None,
) -> None:
    """Print lines as they come: on standard output, one source one colour; with --json one document a line."""
    from rich.text import Text

    colours: dict[str, str] = {}
    async for line in runtime.logs(environment, sources, since=since, follow=follow):
        if pattern is not None and not pattern.search(line.text):
            continue
        if session.machine:
            session.document({"time": line.time, "source": line.source, "text": line.text})
            continue
        colour = colours.setdefault(line.source, _COLOURS[len(colours) % len(_COLOURS)])
        text = Text.assemble((f"{line.time} ", "dim"), (f"{line.source:<13} ", colour), line.text)
        session.result(text)
