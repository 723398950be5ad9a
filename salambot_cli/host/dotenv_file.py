"""`.env` as a file: what it may be (a pipe of a password manager too), how it is written, who else gets to see it."""

import os
import select
import stat
import subprocess
import time
from functools import cache
from pathlib import Path

from salambot_cli.host.files import permissions_problem
from salambot_cli.model.errors import ConfigurationError

_GIT_SECONDS = 10
_PIPE_SECONDS = 15.0
_PIPE_TURN_SECONDS = 0.05
_MAX_BYTES = 1024 * 1024
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_dotenv_text(path: Path) -> str | None:
    """Return the text of `.env`; None where there is none.

    Raises:
        ConfigurationError: it is a folder or a device, it cannot be read, or it is written in no Unicode encoding.
    """
    try:
        kind = path.stat().st_mode
        if stat.S_ISFIFO(kind):
            data = _pipe_content(path)
        elif stat.S_ISREG(kind):
            data = _limited(path, path.read_bytes())
        else:
            what = "a folder" if stat.S_ISDIR(kind) else "neither a file nor a pipe"
            raise ConfigurationError(f"{path} is {what}", "variables are read from a file", f"ls -ld {path}")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read", str(error), f"ls -l {path}") from error
    return _decoded(path, data)


@cache
def _pipe_content(path: Path) -> bytes:
    """Read a pipe to its end, once in the life of this process: who writes it may do so once for each reader.

    Raises:
        ConfigurationError: nobody writes it in time.
    """
    deadline = time.monotonic() + _PIPE_SECONDS
    data = bytearray()
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([descriptor], [], [], min(left, _PIPE_TURN_SECONDS))
            chunk = os.read(descriptor, _MAX_BYTES) if ready else b""
            data += chunk
            if len(data) > _MAX_BYTES or (data and ready and not chunk):
                return _limited(path, bytes(data))
            if ready and not chunk:
                time.sleep(_PIPE_TURN_SECONDS)  # no writer yet: select calls a pipe without one readable
    finally:
        os.close(descriptor)
    why = f"it is a named pipe, and nothing was written into it for {_PIPE_SECONDS:.0f} s"
    raise ConfigurationError(f"{path} cannot be read", why, "unlock the password manager that writes it, and try again")


def _limited(path: Path, data: bytes) -> bytes:
    if len(data) > _MAX_BYTES:
        raise ConfigurationError(
            f"{path} holds more than {_MAX_BYTES} bytes", "it is no list of variables", f"ls -l {path}"
        )
    return data


def _decoded(path: Path, data: bytes) -> str:
    encoding = "utf-16" if data.startswith(_UTF_16_MARKS) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        why = f"line {line} holds the byte {data[error.start]:#04x}, which stands for nothing there"
        raise ConfigurationError(f"{path} is not written in UTF-8", why, f"save {path} as UTF-8") from error
    if "\x00" in text:
        why = "it holds null characters, as UTF-16 without its mark does"
        raise ConfigurationError(f"{path} is not written in UTF-8", why, f"save {path} as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def file_exposure(path: Path) -> tuple[str, str] | None:
    """Return how a file with secrets is exposed, and the command that fixes it; None if it is not."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077 and (problem := permissions_problem(path.parent)):
        return f"its mode is {mode:04o}, and chmod has no effect there", problem[0]
    if mode & 0o077:
        return f"its mode is {mode:04o}: other users of this machine can read it", f"chmod 600 {path}"
    if not any((folder / ".git").exists() for folder in path.parents):
        return None
    if _git(path, "ls-files", "--error-unmatch") == 0:
        fix = f"git rm --cached {path.name} && echo {path.name} >> .gitignore; then change every secret in it"
        return "git tracks it: its secrets are in the repository", fix
    if _git(path, "check-ignore", "--quiet") == 1:
        return (
            "git does not ignore it: the next `git add` takes it",
            f"echo {path.name} >> {path.parent / '.gitignore'}",
        )
    return None


def _git(path: Path, *words: str) -> int:
    """Return git's status; 127 if git is not installed."""
    command = ["git", "-c", "safe.directory=*", *words, "--", path.name]
    try:
        done = subprocess.run(command, cwd=path.parent, capture_output=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 127
    return done.returncode
