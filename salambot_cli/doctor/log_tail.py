"""The last lines of a log, without what identifies a person."""

import re
from collections.abc import Iterable
from pathlib import Path

from salambot_cli.host.log_files import tail

PERSONAL = {
    "email": re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}"),
    "iban": re.compile(r"\bMA\d{2}(?:[ ]?\d{4}){6}\b"),
    "phone": re.compile(r"(?<![\w.+-])(?:(?:\+|00)212[ .-]?|0)[5-8](?:[ .-]?\d{2}){4}(?![\w-])"),
    "cin": re.compile(r"(?<![\w-])[A-Z]{1,2}\d{6}(?![\w-])"),
}
"""Patterns of Moroccan customers' data (docs/security/pii.md)."""


def last_lines(path: Path, count: int = 5) -> list[str]:
    """Return the last lines of a log file, each at most 300 characters; empty where there is none."""
    return shown(tail(path, count))


def shown(lines: Iterable[str]) -> list[str]:
    """Cut lines to 300 characters, without what identifies a person."""
    return [without_persons(line)[:300] for line in lines]


def without_persons(text: str) -> str:
    """Replace what identifies a person by the kind of what it was."""
    for kind, pattern in PERSONAL.items():
        text = pattern.sub(f"[{kind}]", text)
    return text
