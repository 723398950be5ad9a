"""One supervised child: started in a process group of its own, logged, and killed by the kernel with its parent."""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from salambot_cli.host.ports import LOOPBACK
from salambot_cli.model.unit import Unit

LISTENER = "SALAMBOT_LISTENER"
"""The variable that tells a process which of its descriptors are its listening sockets."""
_BACKLOG = 2048

_PR_SET_PDEATHSIG = 1
_LOG_BYTES = 5_000_000
_LOG_FILES = 3
_LINE_LIMIT = 64 * 1024
_TAIL_LINES = 40
_STOP_SECONDS = 8
_WRITER = re.compile(r'"service":"([a-z]+)"')
"""The service that wrote a JSON log line; quotes inside a message would be escaped."""


class LogFile:
    """`logs/NAME.log`, rotated by size, each line after its UTC time; the last lines stay at hand."""

    def __init__(self, path: Path) -> None:
        self._file = RotatingFileHandler(
            path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8", delay=True
        )
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def write(self, line: str) -> None:
        """Append a line. A full disk loses log lines, never the process that wrote them."""
        self.tail.append(line)
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = f"{stamp} {line}\n"
        with contextlib.suppress(OSError):
            stream = self._file.stream or self._opened()
            if stream.tell() + len(text) > _LOG_BYTES:
                self._file.doRollover()
                stream = self._opened()
            stream.write(text)
            stream.flush()

    def _opened(self) -> TextIO:
        """Open the file: with delay=True neither the handler nor its rollover does, but only emit(), which formats."""
        self._file.stream = self._file._open()  # noqa: SLF001 - as said
        return self._file.stream

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class SharedLog:
    """The log of a process that several services share: each line in the file of the service that wrote it.

    What names no service, a traceback or the supervisor's own word, is in the file of each.
    """

    def __init__(self, files: Mapping[str, LogFile]) -> None:
        self._files = files
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def write(self, line: str) -> None:
        """Append a line."""
        self.tail.append(line)
        named = _WRITER.search(line)
        owner = self._files.get(named[1]) if named else None
        for file in self._files.values() if owner is None else (owner,):
            file.write(line)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


class Child:
    """A running process of a unit."""

    def __init__(self, unit: Unit, process: asyncio.subprocess.Process, log: LogFile | SharedLog) -> None:
        self.unit = unit
        self.process = process
        self.since = datetime.now(UTC)
        self._pump = asyncio.create_task(_pump(process, log))

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group too."""
        return self.process.pid

    async def wait(self) -> int:
        """Wait for the end and the last log line; return the exit status (negative: the signal)."""
        status = await self.process.wait()
        # A grandchild may keep the pipe open; what the child itself wrote is there at once.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._pump), 1)
        self._pump.cancel()
        return status

    async def stop(self) -> None:
        """Ask by the unit's signal, then kill the group."""
        if self.process.returncode is None:
            self._signal(signal.Signals[self.unit.stop_signal], group=False)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), _STOP_SECONDS)
        self.kill()
        await self.wait()

    def kill(self) -> None:
        """End its group at once."""
        self._signal(signal.SIGKILL, group=True)

    def _signal(self, number: signal.Signals, *, group: bool) -> None:
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


def listen(port: int) -> socket.socket:
    """Open a loopback port for a unit. Raises OSError when it is taken."""
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


async def spawn(unit: Unit, log: LogFile | SharedLog, listeners: Sequence[socket.socket] = ()) -> Child:
    """Start a unit's process, which inherits its listening sockets where it has any.

    Raises:
        OSError: the program cannot be started.
    """
    descriptors = tuple(listener.fileno() for listener in listeners)
    inherited = {LISTENER: ",".join(map(str, descriptors))} if descriptors else {}
    given = Path(unit.cwd, unit.stdin_file) if unit.stdin_file else Path(os.devnull)
    with given.open("rb") as stdin:
        process = await asyncio.create_subprocess_exec(
            *unit.argv,
            env=dict(unit.environ) | inherited,
            pass_fds=descriptors,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with_parent(signal.Signals[unit.death_signal]),
            limit=_LINE_LIMIT,
            cwd=unit.cwd or None,
        )
    return Child(unit, process, log)


def remove_stale_lock(unit: Unit, log: LogFile | SharedLog) -> None:
    """Remove a lock file whose owner was killed: the pid in it may be another program's by now.

    The supervisor holds the lock of the whole environment, so no other one runs this unit. What the file protects is
    still in use only while a process works in the unit's folder; then the file stays.
    """
    path = Path(unit.cwd) / unit.lock_file
    if unit.lock_file and path.exists() and not _is_in_use(Path(unit.cwd)):
        path.unlink(missing_ok=True)
        log.write(f"salambot: {unit.lock_file} was left by a process that was killed; removed")


def _is_in_use(folder: Path) -> bool:
    """Return True if a process works in a folder. A dead one that nobody reaped has none."""
    import psutil

    here = os.path.realpath(folder)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd() == here:
                return True
    return False


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Return what a child runs before it becomes another program, so that it does not outlive this process."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # the parent died before the call
            os._exit(1)

    return ask_kernel


async def _pump(process: asyncio.subprocess.Process, log: LogFile | SharedLog) -> None:
    stream = process.stdout
    if stream is None:
        return
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as end:
            if end.partial:
                log.write(end.partial.decode(errors="replace"))
            return
        except asyncio.LimitOverrunError as long:
            line = await stream.readexactly(long.consumed)
        log.write(line.decode(errors="replace").rstrip("\n"))
