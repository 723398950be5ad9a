"""Search files for secrets with detect-secrets; findings name place and kind, never the value."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from salambot_cli.model.secret import Secret

_MAX_BYTES = 1024 * 1024
_SHORTEST = 8
"""Minimum length of a value to search for: shorter ones match by chance."""
_SKIPPED = frozenset({".git", ".venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache"})
_OWN = ("data", "logs", "run", "keys")
"""Folders of `.salambot/` that hold no text of the user's, or the keys that belong there."""
_GUESSES = ("Base64 High Entropy String", "Hex High Entropy String", "Secret Keyword")
"""Kinds that guess: in files that are generated or hold hashes they are wrong more often than right."""


@dataclass(frozen=True, slots=True)
class Leak:
    """The location of a suspected secret."""

    path: str
    line: int
    kind: str


def scan(root: Path, known: Mapping[str, Secret], *, in_files: bool) -> list[Leak]:
    """Look into every file of a project, and into what was rendered for it.

    Args:
        root: the project's folder.
        known: variables whose very values are searched for too.
        in_files: whether secrets belong into the two `.env` files, which are then left out.
    """
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import transient_settings

    found: set[Leak] = set()
    homes = {root / ".env", root / ".salambot" / "rendered" / ".env"} if in_files else set()
    with transient_settings({"plugins_used": _plugins()}):
        for path in _files(root):
            name = path.relative_to(root).as_posix()
            if path not in homes:
                found |= {Leak(name, secret.line_number, secret.type) for secret in scan_file(str(path))}
                found |= {Leak(name, line, f"the value of {which}") for which, line in _values_in(path, known)}
    return sorted(found, key=lambda leak: (leak.path, leak.line, leak.kind))


def _values_in(path: Path, known: Mapping[str, Secret]) -> Iterator[tuple[str, int]]:
    content = path.read_bytes()
    for name, secret in known.items():
        value = secret.reveal().encode()
        if len(value) >= _SHORTEST and (at := content.find(value)) >= 0:
            yield name, content.count(b"\n", 0, at) + 1


def _plugins() -> list[dict[str, str]]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    known: Mapping[str, type] = get_mapping_from_secret_type_to_class()
    return [{"name": plugin.__name__} for kind, plugin in known.items() if kind not in _GUESSES]


def _files(root: Path) -> Iterator[Path]:
    for path in _listed(root):
        parts = path.relative_to(root).parts
        own = len(parts) > 1 and parts[0] == ".salambot" and parts[1] in _OWN
        if own or _SKIPPED.intersection(parts) or path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size <= _MAX_BYTES:
            yield path


def _listed(root: Path) -> list[Path]:
    """Return files that git tracks or would track, plus `.env` and rendered files."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is None or done.returncode != 0:
        return sorted(root.rglob("*"))
    rendered = root / ".salambot" / "rendered"
    return sorted({*(root / name for name in done.stdout.decode().split("\0") if name), *rendered.glob("*")})
