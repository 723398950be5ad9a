"""`.env` by command: a variable is set or removed where it stands; every other line stays as it is."""

import re
from io import StringIO
from pathlib import Path

from salambot_cli.config.dotenv import load_dotenv
from salambot_cli.host.dotenv_file import read_dotenv_text
from salambot_cli.host.files import replace_file

_PLAIN = re.compile(r"[\w./:@%+,=?&~-]+", re.ASCII)


def write_variable(path: Path, name: str, value: str | None) -> bool:
    """Set a variable in `.env`, or remove it with None; return whether the file changed. Its mode becomes 0600.

    Raises:
        ConfigurationError: the file cannot be read, or one of its lines is no assignment.
    """
    load_dotenv(path)
    before = read_dotenv_text(path) or ""
    after = edited(before, name, value)
    if after != before:
        replace_file(path, after)
    return after != before


def edited(text: str, name: str, value: str | None) -> str:
    """Return the text of a `.env` with a variable set, or removed with None."""
    from dotenv.parser import parse_stream

    line = None if value is None else f"{name}={quoted(value)}\n"
    lines: list[str] = []
    for binding in parse_stream(StringIO(text)):
        if binding.key != name:
            lines.append(binding.original.string)
        elif line is not None:  # a name that stands twice is written once
            original = binding.original.string
            lines.append(original[: len(original) - len(original.lstrip())] + line)
            line = None
    if line is not None:
        lines += ["\n"] if lines and not lines[-1].endswith("\n") else []
        lines.append(line)
    return "".join(lines)


def quoted(value: str) -> str:
    """Return a value as a line of `.env` holds it: nothing in it is expanded."""
    if _PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
