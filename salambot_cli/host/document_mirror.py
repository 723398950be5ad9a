"""The user's documents on their way into the object store: one folder is mirrored under `<tenant>/`."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from salambot_cli.host.assets import asset
from salambot_cli.host.files import inherited_mode, inheriting_folder, replace_file, unwritable
from salambot_cli.model.errors import ConfigurationError

MAX_FILES = 100_000
SOURCES = ".sources"
_LOCK = "~$"
"""How Office names the file that says who has a document open."""
_MAX_NAME_BYTES = 255
"""Of one name on the file systems that are in use; written out, a name may be longer than the file's own."""
_NO_BREAK = "\u00a0\u202f"
"""Spaces that French typography puts before ? and !: they are no mischief in a name."""


class TooManyRemovalsError(Exception):
    """The source lost more than half of its documents; nothing was written yet."""

    def __init__(self, documents: int) -> None:
        super().__init__(f"{documents} documents")
        self.documents = documents


@dataclass(frozen=True, slots=True)
class MirrorResult:
    """The keys of a source (relative paths), and the writes and deletions in the store."""

    label: str
    keys: tuple[str, ...]
    written: tuple[str, ...]
    deleted: tuple[str, ...]


def source_label(path: Path, root: Path) -> str:
    """Name a source by its place in the project, or by its whole path elsewhere."""
    resolved = path.resolve()
    relative = (
        resolved.relative_to(root.resolve()).as_posix() if resolved.is_relative_to(root.resolve()) else str(resolved)
    )
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in relative).strip("-")
    return safe[:100] or "project"


def document_files(path: Path) -> list[Path]:
    """List a source's files, sorted, without hidden files and links that lead outside.

    Raises ConfigurationError: the folder is missing or empty.
    """
    if not path.exists():
        raise ConfigurationError(
            f"{path} does not exist", "there are no documents to seed", "salambot init   # writes a sample kb/"
        )
    files = [path] if path.is_file() else sorted(_walk(path))
    if not files:
        raise ConfigurationError(
            f"{path} holds no document", "an empty folder would delete nothing and add nothing", f"ls -la {path}"
        )
    if len(files) > MAX_FILES:
        raise ConfigurationError(f"{path} holds more than {MAX_FILES} files", "is this the right folder?", f"ls {path}")
    return files


def _walk(folder: Path) -> Iterator[Path]:
    inside = folder.resolve()
    for path in folder.rglob("*"):
        hidden = any(part.startswith((".", _LOCK)) for part in path.relative_to(folder).parts)
        if not hidden and path.is_file() and path.resolve().is_relative_to(inside):
            yield path


def mirror_to_folder(path: Path, store: Path, tenant: str, label: str, *, prune: bool | None) -> MirrorResult:
    """Copy new and changed files of `path` to `store/<tenant>/`, delete what this source no longer has.

    Raises:
        TooManyRemovalsError: `prune` is None and more than half would go.
    """
    target = store / tenant
    files = files_by_key(path)
    gone = removed_keys(_listed_before(target, label), files, prune=prune)
    written = tuple(key for key, file in files.items() if is_storable(key) and copy_if_changed(file, target / key))
    for key in gone if prune is not False else ():
        (target / key).unlink(missing_ok=True)
    mirrored = plan_mirror(label, files, written, gone, prune=prune)
    _list_now(target, label, mirrored.keys)
    return mirrored


def files_by_key(path: Path) -> dict[str, Path]:
    """Return a source's files by their keys: paths relative to the source, with `/`.

    Beside documents of the owner's, those of the sample that `init` copied are left out, unless they were edited.
    """
    base = path.parent if path.is_file() else path
    files = {"".join(map(_shown, file.relative_to(base).as_posix())): file for file in document_files(path)}
    own = {key: file for key, file in files.items() if not _is_sample(key, file)}
    return own or files


def holds_only_the_sample(path: Path) -> bool:
    """Return True if a folder holds the sample as `init` copied it, and nothing else."""
    return path.is_dir() and all(_is_sample(key, file) for key, file in files_by_key(path).items())


def sample_left_out(path: Path) -> int:
    """Return how many documents of a folder are the sample's, which steps aside for the owner's."""
    return len(document_files(path)) - len(files_by_key(path))


def _is_sample(key: str, file: Path) -> bool:
    shipped = asset("templates/kb") / key
    return is_storable(key) and shipped.is_file() and not shipped.samefile(file) and _digest(shipped) == _digest(file)


def _shown(letter: str) -> str:
    """Escape control characters and invalid UTF-8 in a name with a backslash."""
    return letter if letter.isprintable() or letter in _NO_BREAK else ascii(letter)[1:-1]


def is_storable(key: str) -> bool:
    """Return whether an object store accepts this key; other keys are listed as rejected."""
    return "\\" not in key and all(len(name.encode()) <= _MAX_NAME_BYTES for name in key.split("/"))


def removed_keys(before: Iterable[str], files: Mapping[str, Path], *, prune: bool | None) -> tuple[str, ...]:
    """Return the keys of last time that are no more. Raises TooManyRemovalsError where that needs a decision."""
    gone = tuple(key for key in before if key not in files)
    owned = [key for key in gone if not (asset("templates/kb") / key).is_file()]
    if prune is None and len(owned) > len(files):
        raise TooManyRemovalsError(len(owned))
    return gone


def plan_mirror(
    label: str, files: Mapping[str, Path], written: tuple[str, ...], gone: tuple[str, ...], *, prune: bool | None
) -> MirrorResult:
    """Return the keys of a source: with `prune` False including those that its folder no longer has."""
    kept = gone if prune is False else ()
    return MirrorResult(label, tuple(sorted({*files, *kept})), written, () if kept else gone)


def copy_if_changed(source: Path, target: Path) -> bool:
    """Copy a document into the store, for who reads the store; return whether it was another one."""
    if target.is_file() and _digest(source) == _digest(target):
        return False
    part = target.with_name(f".{hashlib.sha256(target.name.encode()).hexdigest()[:32]}.part")  # a name may be full
    try:
        inheriting_folder(target.parent)
        shutil.copyfile(source, part)
        part.chmod(inherited_mode(target.parent))
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise unwritable(target, error) from error
    return True


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed_before(target: Path, label: str) -> list[str]:
    try:
        return [str(key) for key in json.loads((target / SOURCES / f"{label}.json").read_text())["keys"]]
    except (OSError, ValueError, KeyError):
        return []


def unlist_in_folder(store: Path, tenant: str, keys: Iterable[str]) -> None:
    """Delete documents of `store/<tenant>/`, and take them out of the lists of their sources."""
    target, gone = store / tenant, {key for key in keys if is_storable(key)}
    for source in (target / SOURCES).glob("*.json"):
        before = _listed_before(target, source.stem)
        if gone.intersection(before):
            _list_now(target, source.stem, tuple(key for key in before if key not in gone))
    for key in gone:
        if (target / key).resolve().is_relative_to(target.resolve()):
            (target / key).unlink(missing_ok=True)


def listing(label: str, keys: tuple[str, ...]) -> str:
    """Return the document `.sources/<label>.json` that lists a source's keys."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return json.dumps({"label": label, "keys": keys, "uploaded_at": now}, ensure_ascii=False, indent=1)


def _list_now(target: Path, label: str, keys: tuple[str, ...]) -> None:
    folder = target / SOURCES
    inheriting_folder(folder)
    replace_file(folder / f"{label}.json", listing(label, keys), mode=inherited_mode(folder))
