"""Files: written atomically, private where they have to be, and never through a link."""

import contextlib
import os
import platform
import shlex
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from salambot_cli.model.environment_folder import STATE_FOLDER, project_of_environment
from salambot_cli.model.errors import PrerequisiteError, SalamBotError


def replace_file(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Write a file whole or not at all: into a neighbour that takes its place.

    Raises:
        SalamBotError: the disk is full or the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        _make_parents(path, mode)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                _set_mode(file.fileno(), path, mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def _set_mode(descriptor: int, path: Path, mode: int) -> None:
    """Set the mode of a new file; one that everybody may read is written on any file system."""
    try:
        os.fchmod(descriptor, mode)
    except PermissionError:
        kept = False
    else:
        kept = os.fstat(descriptor).st_mode & 0o077 & ~mode == 0
    if not kept and not mode & 0o077:
        raise _no_permissions(path.parent)


def read_files(folders: Iterable[Path]) -> dict[Path, bytes]:
    """Return the content of the files that stand directly in some folders, in memory: they may hold secrets."""
    return {
        path: path.read_bytes() for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()
    }


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files back in their place: a running container holds the very file. Those that are right stay alone."""
    for path, content in contents.items():
        if not path.is_file():
            replace_file(path, content)
        elif path.read_bytes() != content:
            path.write_bytes(content)


def _make_parents(path: Path, mode: int) -> None:
    """Make the folders above a file; those of a private file in the state are the owner's alone, whatever the umask."""
    if STATE_FOLDER not in path.parts:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif mode & 0o077:
        shared_folder(path.parent)
    else:
        for folder in reversed(path.parents):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)


def shared_folder(path: Path) -> None:
    """Make a folder, with those above it, that a container reads as another user, whatever the umask.

    Folders that exist stay as they are: the state above them is the owner's alone.

    Raises:
        PrerequisiteError: the disk is full or the folder cannot be written.
    """
    try:
        for folder in reversed((path, *path.parents)):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                let_all_read(folder)
    except OSError as error:
        raise unwritable(path, error) from error


def let_all_read(path: Path) -> None:
    """Let a container read a file or folder as another user, whatever the umask."""
    with contextlib.suppress(PermissionError):  # a file system that keeps no permissions lets everybody read
        path.chmod(0o755 if path.is_dir() else 0o644)


def share_documents(folder: Path, *, shared: bool) -> None:
    """Make the folder of documents, and let containers read all in it as another user, or the owner alone.

    Raises:
        PrerequisiteError: the disk is full or the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):  # as above
            for path in (folder, *folder.rglob("*")):
                if not path.is_symlink():
                    path.chmod((0o755 if shared else 0o700) if path.is_dir() else (0o644 if shared else 0o600))
    except OSError as error:
        raise unwritable(folder, error) from error


def inheriting_folder(path: Path) -> None:
    """Make a folder of the documents, and those above it, that is read by who reads the one above, whatever the umask.

    Raises:
        PrerequisiteError: the disk is full or the folder cannot be written.
    """
    try:
        for folder in reversed((path, *path.parents)):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                with contextlib.suppress(PermissionError):
                    folder.chmod(0o755 if folder.parent.stat().st_mode & 0o004 else 0o700)
    except OSError as error:
        raise unwritable(path, error) from error


def inherited_mode(folder: Path) -> int:
    """Return the mode of a file that is read by who reads the folder around it."""
    return 0o644 if folder.stat().st_mode & 0o004 else 0o600


def append_privately(path: Path) -> int:
    """Return a descriptor to read and append with; a new file is the owner's alone, whatever the umask."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def unwritable(path: Path, error: OSError) -> SalamBotError:
    """Return the error for a path that cannot be written, with reason and fix."""
    folder = shlex.quote(str(path.parent))
    return PrerequisiteError(
        f"cannot write {path}",
        error.strerror or str(error),
        f"df -h {folder}; ls -ld {folder}",
    )


def permissions_problem(folder: Path) -> list[str]:
    """Say when the file system of a folder keeps no permissions, as Windows' drives in WSL and exFAT do not."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".salambot-") as made:
            Path(made).chmod(0o700)
            kept = Path(made).stat().st_mode & 0o077 == 0
    except PermissionError:
        kept = not os.access(folder, os.W_OK)  # a folder that cannot be written is another problem
    except OSError:
        return []
    if kept:
        return []
    error = _no_permissions(folder)
    return [f"{error.what}: {error.fix}"]


def _no_permissions(folder: Path) -> SalamBotError:
    way_out = f"move the project to a Linux file system, such as your home: cp -r {shlex.quote(str(folder))} ~"
    if "microsoft" in platform.release().lower():
        way_out += ", or mount the drive with metadata: [automount] options = metadata in /etc/wsl.conf"
    what = f"the file system of {folder} keeps no permissions"
    return PrerequisiteError(what, "secrets are stored there, and everybody could read them", way_out)


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
        raise PrerequisiteError(
            f"{path} is a symbolic link", f"it leads to {path.resolve()}", f"rm {shlex.quote(str(path))}"
        )
    facts = path.stat()
    if facts.st_uid != os.geteuid():
        raise PrerequisiteError(
            f"{path} belongs to another user",
            f"its owner has uid {facts.st_uid}",
            f"sudo chown -R $(id -u) {shlex.quote(str(path))}",
        )
    if facts.st_mode & 0o077:
        with contextlib.suppress(PermissionError):
            path.chmod(0o700)
        if path.stat().st_mode & 0o077:
            raise _no_permissions(path.parent)
    return path


def state_folder(root: Path) -> Path:
    """Make sure that an environment's `.salambot/` exists: mode 0700, ignored by git."""
    project = project_of_environment(root)
    if project != root:
        private_folder(private_folder(state_folder(project) / root.parent.name) / root.name)
    folder = private_folder(root / STATE_FOLDER)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        replace_file(ignore, "*\n")
    return folder
