"""Secrets as the files that containers read; those of a vault outside the project, in memory where the system can.

Beside them, as `.PART`, stands the hash of what a container has read of them: what changed since is still to be read.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from salambot_cli.host.files import private_folder, replace_file, unwritable
from salambot_cli.model.secret import Secret

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made there is private


def secrets_folder(project: str) -> Path:
    """Name the folder of a project's secrets; `write_secrets` makes it."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and Path(given).is_dir():
        return Path(given) / "salambot" / project
    base = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    return base / f"salambot-{os.geteuid()}" / project


def write_secrets(folder: Path, secrets: Mapping[str, Secret]) -> None:
    """Write each secret as a file named like its variable, and remove those that are no longer asked for.

    The folder keeps other users of this machine out; the files are readable by all, because a container's
    user is another one, and Docker hands over the very file (a Compose secret's `mode` is ignored for files).
    For the same reason a value changes in its place: a running container sees no other file of that name.

    Raises:
        PrerequisiteError: the folder belongs to somebody else, or cannot be written.
    """
    private_folder(folder.parent)
    private_folder(folder)
    for name, secret in secrets.items():
        path = folder / name
        if not path.is_file():
            replace_file(path, secret.reveal(), mode=0o644)
        elif path.read_text(encoding="utf-8") != secret.reveal():
            _change(path, secret.reveal())
    for path in folder.iterdir():
        if path.name not in secrets and not path.name.startswith("."):
            path.unlink()


def _change(path: Path, content: str) -> None:
    """Write into a file that containers hold. Who is stopped in the middle of it does it again the next time."""
    try:
        path.chmod(0o644)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error


def record_read(folder: Path, part: str, digest: str) -> None:
    """Note that a container has read the secrets with this hash."""
    replace_file(folder / f".{part}", digest)


def last_read(folder: Path, part: str) -> str | None:
    """Return the hash that a container read last; None if unknown."""
    note = folder / f".{part}"
    return note.read_text(encoding="utf-8") if note.is_file() else None


def remove_secrets(folder: Path) -> None:
    """Remove a project's secrets from this machine."""
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
