"""The variables of `.env`: names, quotes, `export`, and `${NAME}`, which is replaced as Compose and direnv do it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from salambot_cli.host.dotenv_file import read_dotenv_text
from salambot_cli.model.errors import ConfigurationError

_REFERENCE = re.compile(r"(?<![\\$])\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}")
_SINGLE_QUOTED = re.compile(r"^\s*(?:export\s+)?[^=\s]+\s*=\s*'")


@dataclass(frozen=True, slots=True)
class Dotenv:
    """The variables of `.env`. `notes` name the references that were replaced, without values."""

    values: dict[str, str]
    notes: tuple[str, ...] = ()


def load_dotenv(path: Path, process: Mapping[str, str] | None = None) -> Dotenv:
    """Read `.env`. Windows line ends, a mark of UTF-8 or UTF-16 and `export` are fine; a broken line is an error.

    Args:
        path: the file, or the pipe of a password manager.
        process: the variables of the shell, which stand above those of the file in a reference.

    Raises:
        ConfigurationError: the file cannot be read, a line is none, or a reference leads nowhere.
    """
    from dotenv.parser import parse_stream

    text = read_dotenv_text(path)
    values: dict[str, str] = {}
    notes: list[str] = []
    for binding in parse_stream(StringIO(text or "")):
        if binding.error:
            raise _broken_line(path, binding.original.line, binding.original.string)
        if binding.key is None or binding.value is None:
            continue
        value = binding.value
        if not _SINGLE_QUOTED.match(binding.original.string):
            names = [match[1] for match in _REFERENCE.finditer(value)]
            value = _resolved(path, binding.key, value, {**values, **(process or {})})
            notes += [f"{binding.key} in .env: ${{{name}}} is replaced by its value" for name in names]
        values[binding.key] = value
    return Dotenv(values, tuple(notes))


def _resolved(path: Path, key: str, text: str, known: Mapping[str, str]) -> str:
    def replacement(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if known.get(name):
            return known[name]
        if default is not None:
            return default
        raise ConfigurationError(
            f"{key} in .env refers to ${{{name}}}, which nothing sets",
            "neither a line above it nor the shell's environment",
            f"set {name} above {key} in {path}, or write the value in single quotes to keep ${{{name}}} as it is",
        )

    return _REFERENCE.sub(replacement, text)


def _broken_line(path: Path, first_line: int, text: str) -> ConfigurationError:
    lead = len(text) - len(text.lstrip("\n"))
    line = text[lead:].split("\n", 1)[0]
    quote = min((i for i in (line.find('"'), line.find("'")) if i >= 0), default=0)
    return ConfigurationError(
        f".env line {first_line + lead}, column {quote + 1} is not `NAME=value`",
        "a quote that is never closed, or no `=`",
        f"fix {path}",
    )
