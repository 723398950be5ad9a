"""Run a child process and stream its output. The child ends with this process: its standard input is the link."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_LINE_BYTES = 4 * 1024 * 1024
_GRACE_SECONDS = 10
_ERROR_LINES = 20
Hear = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StreamedResult:
    """The result of a process: its exit status and the end of its standard error."""

    status: int
    errors: str


async def run_streaming(
    argv: Sequence[str], environ: Mapping[str, str], hear: Hear, *, stdin: str | None, silence_s: float
) -> StreamedResult:
    """Run a program to its end; `hear` gets each line of its standard output.

    `stdin` is written and closed; without it, standard input stays open as long as the program is wanted. Cancelled,
    the program is told by that, then made to end.

    Raises:
        TimeoutError: it said nothing for `silence_s` seconds.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=dict(environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        start_new_session=True,  # a Ctrl-C in the terminal comes to us alone
    )
    errors = asyncio.create_task(_last_words(process.stderr))
    try:
        if stdin is not None:
            await _write(process.stdin, stdin)
        await _hear_all(process.stdout, hear, silence_s)
        return StreamedResult(await process.wait(), await errors)
    finally:
        await _end(process)
        errors.cancel()


async def _write(stdin: asyncio.StreamWriter | None, text: str) -> None:
    if stdin is not None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it says itself why it does not read
            stdin.write(text.encode())
            await stdin.drain()
            stdin.close()


async def _hear_all(stdout: asyncio.StreamReader | None, hear: Hear, silence_s: float) -> None:
    while stdout is not None and (line := await asyncio.wait_for(stdout.readline(), silence_s)):
        hear(line.decode(errors="replace").rstrip("\r\n"))


async def _last_words(stderr: asyncio.StreamReader | None) -> str:
    lines: list[str] = []
    while stderr is not None and (line := await stderr.readline()):
        lines = [*lines, line.decode(errors="replace").rstrip()][-_ERROR_LINES:]
    return "\n".join(lines)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
