"""Buffered log output: the lines of one event-loop iteration go to standard output in one write."""

import asyncio
import sys
from typing import Literal, TextIO

_MAX_BYTES = 64 * 1024


class BufferedLogWriter:
    """A text file for `structlog.WriteLogger`. What `hurry` announces, and what no loop would send, goes at once.

    A write for each request would be a twentieth of what the gateway does.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0
        self._hurried = False
        self._due: asyncio.Handle | None = None
        self.name: Literal["stdout", "stderr"] = "stdout"
        """The output stream of the process; looked up again for each write."""

    @property
    def stream(self) -> TextIO:
        """Return the current stream."""
        return sys.stdout if self.name == "stdout" else sys.stderr

    def flush_next(self) -> None:
        """Write the next line at once: a process that logs a warning may be about to exit."""
        self._hurried = True

    def write(self, text: str) -> None:
        """Buffer a line."""
        self._lines.append(text)
        self._size += len(text)

    def flush(self) -> None:
        """Write the buffered lines, at the end of this event-loop iteration at the latest."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None or self._hurried or self._size > _MAX_BYTES:
            self._send()
        elif self._due is None:
            self._due = loop.call_soon(self._send)

    def _send(self) -> None:
        if self._due is not None:
            self._due.cancel()
        text, self._lines, self._size, self._due, self._hurried = "".join(self._lines), [], 0, None, False
        self.stream.write(text)
        self.stream.flush()
