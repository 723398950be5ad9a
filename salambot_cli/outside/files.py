"""Files: written atomically, private where they have to be, and never through a link."""

import os
import tempfile
from pathlib import Path

from salambot_cli.model.errors import PrerequisiteError, SalamBotError


def replace_file(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Write a file whole or not at all: into a neighbour that takes its place.

    Raises:
        SalamBotError: the disk is full or the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> SalamBotError:
    """Say which path could not be written, why, and what helps."""
    return PrerequisiteError(
        f"cannot write {path}",
        error.strerror or str(error),
        f"df -h {path.parent}; ls -ld {path.parent}",
    )


def private_folder(path: Path) -> Path:
    """Make sure that a folder exists with mode 0700, is no link and is ours.

    Raises:
        PrerequisiteError: somebody else could read or change what is put there.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    if path.is_symlink():
        raise PrerequisiteError(f"{path} is a symbolic link", f"it leads to {path.resolve()}", f"rm {path}")
    facts = path.stat()
    if facts.st_uid != os.geteuid():
        raise PrerequisiteError(
            f"{path} belongs to another user", f"its owner has uid {facts.st_uid}", f"sudo chown -R $(id -u) {path}"
        )
    if facts.st_mode & 0o077:
        path.chmod(0o700)
    return path


def state_folder(root: Path) -> Path:
    """Make sure that `.salambot/` exists beside the config: mode 0700, ignored by git."""
    folder = private_folder(root / ".salambot")
    ignore = folder / ".gitignore"
    if not ignore.exists():
        replace_file(ignore, "*\n", mode=0o644)
    return folder
