"""Parse documents for another process, one after the other: `python -m salambot.knowledge.parser_process SECONDS`.

A document comes as two lengths, its path and its bytes; what it holds goes back as a length and JSON. The process
has no secret in its environment, bounds on its memory and time, and ends when its caller does.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

import orjson

from salambot.knowledge import parsers
from salambot.knowledge.chunks import chunk
from salambot.knowledge.isolation import LENGTH, LENGTHS
from salambot.knowledge.parsers.base import UnreadableDocumentError

MAX_MEMORY_BYTES = 1024 * 1024 * 1024
"""On top of what the process has when it starts."""
_SPARE_SECONDS = 2.0
"""After the limit, which the caller watches: by then nobody does any more."""


def main() -> None:
    """Serve until the end of standard input."""
    seconds = float(sys.argv[1])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _bound_memory()
    read_document("warm.md", b"# Bonjour\n\nSalam")  # loads what all documents need: it is not the first one's time
    answers.write(LENGTH.pack(0))  # ready
    answers.flush()
    serve(sys.stdin.buffer, answers, lambda: signal.setitimer(signal.ITIMER_REAL, seconds + _SPARE_SECONDS))


def serve(requests: BinaryIO, answers: BinaryIO, start_clock: Callable[[], object]) -> None:
    """Answer each request; a clock that is not started again in time kills the process."""
    while lengths := requests.read(LENGTHS.size):
        path_length, content_length = LENGTHS.unpack(lengths)
        path, content = requests.read(path_length).decode(errors="surrogateescape"), requests.read(content_length)
        start_clock()
        answer = read_document(path, content)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def read_document(path: str, content: bytes) -> bytes:
    """Return a document and its chunks as JSON, or why it cannot be read."""
    try:
        document = parsers.parse(path, content)
        chunks = [{**_members(piece), "digest": piece.digest.hex()} for piece in chunk(document)]
        return orjson.dumps({"document": document, "chunks": chunks})
    except UnreadableDocumentError as reason:
        return orjson.dumps({"unreadable": str(reason)})
    except (MemoryError, RecursionError, orjson.JSONEncodeError) as error:
        return orjson.dumps({"unreadable": f"cannot be read ({type(error).__name__})"})


def _members(piece: object) -> dict[str, object]:
    return {name: getattr(piece, name) for name in piece.__slots__}  # type: ignore[attr-defined] # a dataclass with slots


def _bound_memory() -> None:
    with suppress(OSError, ValueError):  # not every system has each of these bounds
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(open("/proc/self/statm", "rb").read().split()[0])  # noqa: SIM115, PTH123 - a line of the kernel
        most = pages * resource.getpagesize() + MAX_MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
