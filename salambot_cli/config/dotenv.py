"""The variables of `.env`: names, quotes, `export`, and `${NAME}`, which is replaced as Compose and direnv do it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from salambot_cli.host.dotenv_file import read_dotenv_text
from salambot_cli.model.errors import ConfigurationError
from salambot_contracts.pasted_text import clean, find_pasted

_REFERENCE = re.compile(r"(?<![\\$])\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}")
_OTHER_REFERENCE = re.compile(r"(?<![\\$])\$\{[^}]*\}?")
_BARE = re.compile(r"\s*(?:export\s+)?[^=\s]+[^\S\n]*=(?![^\S\n]*['\"])([^\n]*)")
_COMMENT = re.compile(r"(?<=\s)#.*")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_SINGLE_QUOTED = re.compile(r"^\s*(?:export\s+)?[^=\s]+\s*=\s*'")


@dataclass(frozen=True, slots=True)
class Dotenv:
    """The variables of `.env`. `notes` name, without values, replaced references and names that stand twice."""

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
        if binding.key is None and not binding.error:
            continue
        if binding.error or binding.key is None or binding.value is None:
            raise _broken_line(path, binding.original.line, binding.original.string)
        key, value = binding.key, _unquoted(binding.original.string, binding.value)
        _refuse_name(path, key)
        if not _SINGLE_QUOTED.match(binding.original.string):
            names = [match[1] for match in _REFERENCE.finditer(value)]
            value = _resolved(path, key, value, {**values, **(process or {})})
            notes += [f"{key} in .env: ${{{name}}} is replaced by its value" for name in names]
        notes += [f"{key} stands twice in .env: the last line counts"] if values.get(key, value) != value else []
        values[key] = value
    return Dotenv(values, tuple(notes))


def _unquoted(line: str, parsed: str) -> str:
    """Return a value without quotes as it stands there, but for blanks and comments: other spaces are to be found."""
    bare = _BARE.match(line)
    return _COMMENT.sub("", bare[1]).strip(" \t") if bare else parsed


def _refuse_name(path: Path, name: str) -> None:
    """Refuse a name that no program can read, such as one with an invisible character: its line would be ignored."""
    if _NAME.fullmatch(name):
        return
    pasted = find_pasted(name)
    why = f"it holds {pasted[0]}" if pasted else "a name consists of letters, digits and _"
    raise ConfigurationError(f"{clean(name)!r} in .env is no name of a variable", why, f"fix {path}")


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

    if other := _OTHER_REFERENCE.search(_REFERENCE.sub("", text)):
        raise ConfigurationError(
            f"{key} in .env holds {other[0][:2]}…, a reference of a form that is not read here",
            "${NAME}, ${NAME:-default} and ${NAME-default} are",
            f"write the value itself in {path}, in single quotes where it holds ${{",
        )
    return _REFERENCE.sub(replacement, text)


def _broken_line(path: Path, first_line: int, text: str) -> ConfigurationError:
    lead = len(text) - len(text.lstrip("\n"))
    line = text[lead:].split("\n", 1)[0]
    quote = min((i for i in (line.find('"'), line.find("'")) if i >= 0), default=0)
    return ConfigurationError(
        f".env line {first_line + lead}, column {quote + 1} is not `NAME=value`",
        "a quote that is never closed, no `=`, or the rest of a value that was broken into two lines",
        f"fix {path}",
    )
