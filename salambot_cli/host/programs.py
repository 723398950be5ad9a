"""Programs of this machine, run with a time limit and bounded output."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from salambot_cli.model.errors import PrerequisiteError

_OUTPUT = 64 * 1024


def become(argv: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Become another program: it has this terminal, these signals, and its own exit status.

    Raises:
        PrerequisiteError: it cannot be started.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(argv[0], list(argv), dict(environ))  # noqa: S606 - that is the purpose, and no shell reads it
    except OSError as error:
        raise PrerequisiteError(f"{argv[0]} cannot be started", error.strerror or "", "") from error


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a program ended; status 127 where there is none, 124 where it took too long."""

    status: int
    out: str
    err: str


async def run(
    *argv: str, seconds: float = 8.0, cwd: str | None = None, more: Mapping[str, str] | None = None
) -> ProcessResult:
    """Run a program and read at most 64 KiB of each stream; `more` adds variables to its environment."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **more} if more else None,
            start_new_session=True,
        )
    except OSError as error:
        return ProcessResult(127, "", error.strerror or str(error))
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        return ProcessResult(124, "", f"no end within {seconds:g} s")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return ProcessResult(process.returncode or 0, _text(out), _text(err))


def _text(data: bytes) -> str:
    return data[:_OUTPUT].decode("utf-8", "replace").strip()
