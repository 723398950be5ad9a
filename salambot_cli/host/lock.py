"""A lock: one run at a time changes an environment. It names its holder and dies with it."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from salambot_cli.host.files import append_privately, state_folder
from salambot_cli.model.errors import SalamBotError

_POLL_SECONDS = 0.1


@contextmanager
def environment_lock(root: Path, command: str, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the environment's lock; wait for another holder at most `wait_seconds`.

    Raises SalamBotError with its pid, host and start time.
    """
    path = state_folder(root) / "lock"
    with os.fdopen(append_privately(path), "a+") as file:
        _acquire(file, time.monotonic() + wait_seconds)
        try:
            _write_holder(file, command)
            yield
        finally:
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)


def _acquire(file: IO[str], deadline: float) -> None:
    # flock, not a pid file: the kernel releases it when the holder dies, however it dies.
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _held(file) from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _write_holder(file: IO[str], command: str) -> None:
    file.seek(0)
    file.truncate(0)
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since, "command": command}))
    file.flush()


def _held(file: IO[str]) -> SalamBotError:
    file.seek(0)
    try:
        holder = json.loads(file.read(4096) or "{}")
    except ValueError:
        holder = {}
    who = f"pid {holder.get('pid', '?')} on {holder.get('host', '?')}, since {holder.get('since', '?')}"
    return SalamBotError(
        "another run is changing this environment",
        f"`salambot {holder.get('command', '?')}` holds the lock: {who}",
        "wait for it to end, or stop it: kill " + str(holder.get("pid", "PID")),
    )
