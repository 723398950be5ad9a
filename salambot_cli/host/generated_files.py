"""Rendered files on disk: differences, and manual edits, which are never lost."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from salambot_cli.components.variables import is_secret
from salambot_cli.host.files import replace_file
from salambot_cli.model.secret import MASK

_ASSIGNMENT = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
_PASSWORDS = frozenset({"POSTGRES_PASSWORD", "REDIS_PASSWORD", "USER_HASH_KEY"})


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that differs from its rendered content. `diff` shows no secret."""

    name: str
    diff: str
    by_hand: bool
    """True if the file was edited since it was written."""


def diff(
    folder: Path, files: Mapping[str, str], is_untouched: Callable[[str], bool], *, ours: str | None = None
) -> list[FileChange]:
    """Compare a folder with its rendered files.

    Files that match `ours` and are no longer rendered are removed, unless they were edited.
    """
    found = [
        FileChange(name, _diff(name, text, ""), by_hand=False)
        for name, text in _others(folder, files, ours)
        if is_untouched(text)
    ]
    for name, text in files.items():
        path = folder / name
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        if before != text:
            found.append(FileChange(name, _diff(name, before, text), bool(before) and not is_untouched(before)))
    return found


def write(folder: Path, files: Mapping[str, str], found: list[FileChange]) -> list[Path]:
    """Write the changed files with mode 0600; return the copies of edited ones."""
    kept = []
    for change in found:
        path = folder / change.name
        if change.name not in files:
            path.unlink(missing_ok=True)
            continue
        if change.by_hand:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
            backup = path.with_name(f"{path.name}.edited-{stamp}")
            replace_file(backup, path.read_bytes())
            kept.append(backup)
        replace_file(path, files[change.name])
    return kept


def _others(folder: Path, files: Mapping[str, str], pattern: str | None) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob(pattern)) if pattern else ():
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in files:
            yield name, path.read_text(encoding="utf-8", errors="replace")


def _diff(name: str, before: str, after: str) -> str:
    old, new = before.splitlines(), after.splitlines()
    changed = {line for line in new if line not in set(old)}
    lines = difflib.unified_diff(
        [_masked(line) for line in old],
        [_masked(line, changed=line in changed) for line in new],
        f"{name} (on disk)",
        f"{name} (rendered)",
        lineterm="",
        n=1,
    )
    return "\n".join(lines)


def _masked(line: str, *, changed: bool = False) -> str:
    match = _ASSIGNMENT.match(line)
    if match is None or not (is_secret(match["name"]) or match["name"] in _PASSWORDS):
        return line
    return f"{match['name']}={MASK}{' (changed)' if changed else ''}"
