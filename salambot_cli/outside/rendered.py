"""Rendered files on disk: what would change, and what somebody changed by hand, which is never lost."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from salambot_cli.model.secret import MASK
from salambot_cli.model.variables import is_secret
from salambot_cli.outside.files import replace_file

_ASSIGNMENT = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
_PASSWORDS = frozenset({"POSTGRES_PASSWORD", "REDIS_PASSWORD", "USER_HASH_KEY"})


@dataclass(frozen=True, slots=True)
class Change:
    """A file whose content on disk is not what would be rendered. `diff` shows no secret."""

    name: str
    diff: str
    by_hand: bool
    """Whether somebody edited the file since it was written."""


def changes(
    folder: Path, files: Mapping[str, str], is_untouched: Callable[[str], bool], *, ours: str | None = None
) -> list[Change]:
    """Compare a folder with what would be rendered into it.

    Of the files that fit the pattern `ours`, those that are rendered no more go away, unless somebody edited them.
    """
    found = [
        Change(name, _diff(name, text, ""), by_hand=False)
        for name, text in _others(folder, files, ours)
        if is_untouched(text)
    ]
    for name, text in files.items():
        path = folder / name
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        if before != text:
            found.append(Change(name, _diff(name, before, text), bool(before) and not is_untouched(before)))
    return found


def write(folder: Path, files: Mapping[str, str], found: list[Change]) -> list[Path]:
    """Write what changed, mode 0600; return the copies of what was edited by hand."""
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
