"""Output: text for people on standard error, results on standard output, plain lines on a pipe."""

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.untrusted import INVISIBLE, Untrusted, visible_lines
from salambot_cli.terminal.accessible_output import is_plain, symbols_to_words
from salambot_cli.terminal.i18n import translate

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SCHEMA_VERSION = "1.0"
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
"""What JSON may hold as it is, and a terminal may obey."""


def json_text(document: object, *, indent: int | None = None) -> str:
    """Write a document as JSON that no terminal takes for a command; a parser reads the same from it."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    return _INVISIBLE.sub(lambda found: json.dumps(found[0])[1:-1], text)


@dataclass(frozen=True, slots=True)
class Output:
    """How this command was called: where the project is, and how to speak."""

    project: Path
    json: bool = False
    json_lines: bool = False
    quiet: bool = False
    debug: bool = False
    lang: str | None = None

    @property
    def machine(self) -> bool:
        """Return whether a program reads the output."""
        return self.json or self.json_lines

    def people(self) -> "Console":
        """The console for people: standard error."""
        return _console(stderr=True)

    def columns(self) -> int:
        """Return how wide the terminal for results is; on a pipe, as COLUMNS says or wide."""
        return _console(stderr=False).width

    def say(self, *what: "RenderableType") -> None:
        """Print a message for people, unless --quiet."""
        if not self.quiet:
            self.people().print(*map(localized, what))

    def result(self, what: "RenderableType") -> None:
        """Print a result on standard output."""
        _console(stderr=False).print(localized(what))

    def stream(self, piece: str) -> None:
        """Print a piece of somebody else's text on standard output, at once and without a line end."""
        sys.stdout.write(visible_lines(piece))
        sys.stdout.flush()

    def document(self, fields: dict[str, object]) -> None:
        """Print the one JSON document of a command."""
        print(json_text({"schema_version": SCHEMA_VERSION, **fields}), flush=True)  # noqa: T201 - the result

    def event(self, name: str, fields: dict[str, object]) -> None:
        """Print one event of `--json-lines`."""
        if self.json_lines:
            self.document({"event": name, **fields})


def _console(*, stderr: bool) -> "Console":
    from salambot_cli.terminal.safe_console import SafeConsole

    if is_plain():
        return SafeConsole(
            stderr=stderr, highlight=False, emoji=False, soft_wrap=True, no_color=True, force_terminal=False
        )
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return SafeConsole(stderr=stderr, highlight=False, emoji=False, soft_wrap=not is_terminal)


def localized(what: "RenderableType") -> "RenderableType":
    """Translate a string, or the headings of a table."""
    from rich.table import Table

    if isinstance(what, Untrusted):
        return str(what)
    if isinstance(what, Table):
        for column in what.columns:
            column.header = translate(column.header) if isinstance(column.header, str) else column.header
        what.box = None if is_plain() else what.box
    if not isinstance(what, str):
        return what
    told = with_launcher(translate(what))
    return symbols_to_words(told) if is_plain() else told


_hint_options = ""


def set_hint_options(options: str) -> None:
    """Add options to every command that is named from now on: `--env staging ` leads back to the same environment."""
    global _hint_options  # noqa: PLW0603 - one process speaks of one environment
    _hint_options = options


def with_launcher(text: str) -> str:
    """Rewrite commands as the user must type them: the launcher of a clone is not on PATH."""
    launcher = f"{os.environ.get('SALAMBOT_INVOKED_AS', 'salambot')} {_hint_options}"
    return re.sub(r"(?<![\w./-])salambot (?=[a-z])", launcher.replace("\\", r"\\"), text)


def start_directory(project: str | None) -> Path:
    """Return the project folder: the option, SALAMBOT_PROJECT, or the working directory."""
    return Path(project or os.environ.get("SALAMBOT_PROJECT") or ".").expanduser()


def show_error(session: Output, error: SalamBotError) -> None:
    """Print the error, its reason and its fix; with --json also as a document."""
    if session.json or session.json_lines:
        session.document({"status": "failed", "error": {"what": error.what, "why": error.why, "fix": error.fix}})
    from rich.markup import escape

    console = session.people()
    console.print(localized(f"[bold red]✗ {escape(visible_lines(translate(error.what)))}[/]"))
    for line in visible_lines(translate(error.why)).splitlines():
        console.print(f"  {escape(with_launcher(line))}")
    if error.fix:
        console.print(localized(f"  [bold]→ {escape(with_launcher(translate(error.fix)))}[/]"))
