"""Documents are parsed in a process of their own: one that takes too long, or all memory, costs itself alone."""

import asyncio
import os
import signal
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from salambot.knowledge.chunks import Chunk
from salambot.knowledge.parsers.base import Document, UnreadableDocumentError

DOCUMENT_SECONDS = 10.0
"""How long one document may take to be parsed and cut into chunks."""
START_SECONDS = 60.0
END_SECONDS = 1.0
"""How long a process whose output is closed may take to end."""
MAX_ANSWER_BYTES = 128 * 1024 * 1024
"""Of JSON: a document of 20 MiB of text and its chunks stay below."""
LENGTHS, LENGTH = struct.Struct("!II"), struct.Struct("!I")
_INHERITED = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "HOME", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document, and the chunks that it was cut into."""

    document: Document
    chunks: list[Chunk]


@dataclass(frozen=True, slots=True)
class _Answer:
    document: Document | None = None
    chunks: list[dict[str, object]] | None = None
    unreadable: str | None = None


_answer: TypeAdapter[_Answer] = TypeAdapter(_Answer)
_chunks: TypeAdapter[list[Chunk]] = TypeAdapter(list[Chunk])


class IsolatedParser:
    """Parses one document at a time. Its process starts with the first one, and again after one that killed it."""

    def __init__(self, seconds: float = DOCUMENT_SECONDS) -> None:
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def parse(self, path: str, content: bytes) -> ParsedDocument:
        """Return what a document holds. Raises UnreadableDocumentError with the reason that its owner will see."""
        async with self._turn:
            process = self._process or await self._start()
            try:
                async with asyncio.timeout(self._seconds):
                    return _parsed(await _ask(process, path, content))
            except UnreadableDocumentError:
                raise
            except TimeoutError as error:
                await self.close()
                raise UnreadableDocumentError(f"takes more than {self._seconds:g} s to read") from error
            except (OSError, asyncio.IncompleteReadError) as error:
                status = await self._status()
                raise UnreadableDocumentError(f"ends the program that reads it ({status})") from error
            except BaseException:  # cancelled: an answer that is under way belongs to nobody
                await self.close()
                raise

    async def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        environ = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "salambot.knowledge.parser_process", str(self._seconds)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environ,
        )
        self._process = process
        try:
            async with asyncio.timeout(START_SECONDS):
                await _receive(process)
        except BaseException:
            await self.close()
            raise
        return process

    async def _status(self) -> str:
        process = self._process
        if process is not None:
            # Not killed at once: Popen.kill() may reap the process before asyncio does, and its status is lost.
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_SECONDS)
        await self.close()
        status = process.returncode if process is not None else None
        return signal.Signals(-status).name if status is not None and status < 0 else f"status {status}"


async def _ask(process: asyncio.subprocess.Process, path: str, content: bytes) -> bytes:
    assert process.stdin is not None  # noqa: S101 - it was asked for
    name = path.encode(errors="surrogateescape")
    process.stdin.write(LENGTHS.pack(len(name), len(content)) + name)
    process.stdin.write(content)
    await process.stdin.drain()
    return await _receive(process)


async def _receive(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    if length > MAX_ANSWER_BYTES:
        process.kill()
        raise UnreadableDocumentError("more text than can be indexed")
    return await process.stdout.readexactly(length)


def _parsed(content: bytes) -> ParsedDocument:
    answer = _answer.validate_json(content)
    if answer.document is None or answer.chunks is None:
        raise UnreadableDocumentError(answer.unreadable or "no text in it")
    chunks = [{**one, "digest": bytes.fromhex(str(one["digest"]))} for one in answer.chunks]
    return ParsedDocument(answer.document, _chunks.validate_python(chunks))
