"""The help pages as people see them, at 80 columns: `python -m tools.help_pages` writes tests/cli/help.

`--check` compares. One process a language: Typer asks for its own words as it is imported.
"""

import os
import subprocess
import sys
from pathlib import Path

import typer

from salambot_cli import app
from salambot_cli.commands import COMMANDS
from salambot_cli.terminal.i18n import LANGUAGES

_PROGRAM = """
from salambot_cli.terminal.i18n import set_language
set_language({language!r})
from tools.help_pages import show
show()
"""
PAGES = Path(__file__).resolve().parent.parent / "tests" / "cli" / "help"
_ENVIRON = {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1", "SALAMBOT_INVOKED_AS": "salambot", "PYTHONUTF8": "1"}


def show() -> None:
    """Print every help page."""
    _show()
    for name in COMMANDS:
        _show(name)
        command = typer.main.get_command(app.app)
        loaded = command.resolve_command(typer.Context(command), [name])[1]  # type: ignore[attr-defined] # a group
        for below in getattr(loaded, "commands", {}):
            _show(name, below)


def _show(*words: str) -> None:
    print(f"$ {' '.join(['salambot', *words, '--help'])}", flush=True)
    app.run([*words, "--help"])


def pages(language: str) -> str:
    """Return every help page in a language."""
    command = [sys.executable, "-c", _PROGRAM.format(language=language)]
    environ = {**os.environ, **_ENVIRON}
    environ.pop("SALAMBOT_PLAIN", None)
    shown = subprocess.run(command, env=environ, check=True, capture_output=True, encoding="utf-8", timeout=120).stdout
    return "".join(f"{line.rstrip()}\n" for line in shown.splitlines())


def main(arguments: list[str]) -> int:
    """Write the pages, or say which are out of step."""
    status = 0
    for language in LANGUAGES:
        path, text = PAGES / f"{language}.txt", pages(language)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            sys.stderr.write(f"{path.name} is out of step: python -m tools.help_pages\n")
            status = 1
        else:
            path.write_text(text, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
