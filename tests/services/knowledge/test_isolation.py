"""A document that takes too long, too much or its parser's life costs itself alone: the next one is read."""

import asyncio
import os
import signal
import time

import psutil
import pytest

from bench.attacks.documents import DOCUMENTS
from salambot.knowledge import parsers
from salambot.knowledge.chunks import chunk
from salambot.knowledge.isolation import IsolatedParser
from salambot.knowledge.parsers.base import UnreadableDocumentError

pytestmark = pytest.mark.slow

GOOD = (
    "prix.md",
    "# Prix\n\n| Modèle | Prix |\n|---|---|\n| Duster | 480 DH |\n\n## Livraison\n\nPartout au Maroc.\n".encode(),
)
SECONDS = 2.0
TRIED = [*DOCUMENTS][::4]
"""All of them, with ten seconds each, are a table of `python -m bench.attacks --documents`."""


async def test_what_comes_back_is_what_the_parser_made() -> None:
    async with IsolatedParser() as parser:
        parsed = await parser.parse(*GOOD)
    assert parsed.document == parsers.parse(*GOOD)
    assert parsed.chunks == chunk(parsed.document)


async def test_hostile_documents_are_read_or_refused_in_time() -> None:
    too_slow = []
    async with IsolatedParser(SECONDS) as parser:
        for name in TRIED:
            path, content = DOCUMENTS[name]()
            await parser.parse(*GOOD)  # its process is there, whatever the one before did to it
            began = time.monotonic()
            reason = await why_refused(parser, path, content)
            if time.monotonic() - began > SECONDS + 2:
                too_slow.append(name)
            assert reason is None or 0 < len(reason) < 200, name
    assert too_slow == []


async def why_refused(parser: IsolatedParser, path: str, content: bytes) -> str | None:
    try:
        await parser.parse(path, content)
    except UnreadableDocumentError as reason:
        return str(reason)
    return None


def parser_process() -> psutil.Process:
    (child,) = [one for one in psutil.Process().children() if "parser_process" in " ".join(one.cmdline())]
    return child


async def test_a_document_that_takes_too_long_is_named_and_the_process_is_gone() -> None:
    async with IsolatedParser() as parser:
        await parser.parse(*GOOD)
        parser._seconds = 0.05
        child = parser_process()
        with pytest.raises(UnreadableDocumentError, match=r"takes more than 0.05 s"):
            await parser.parse(*DOCUMENTS["one word of 15 MB"]())
        assert not child.is_running()


async def test_a_parser_that_is_killed_costs_one_document() -> None:
    async with IsolatedParser() as parser:
        await parser.parse(*GOOD)
        child = parser_process()
        parsing = asyncio.create_task(parser.parse(*DOCUMENTS["one word of 15 MB"]()))
        await asyncio.sleep(0)
        child.kill()
        with pytest.raises(UnreadableDocumentError, match="SIGKILL"):
            await parsing
        assert (await parser.parse(*GOOD)).document.title == "Prix"


async def test_the_process_knows_no_secret_and_ends_with_its_caller() -> None:
    os.environ["POSTGRES_URL"] = "postgres://secret"
    try:
        parser = IsolatedParser()
        await parser.parse(*GOOD)
    finally:
        del os.environ["POSTGRES_URL"]
    child = parser_process()
    assert not any("POSTGRES" in name or "TOKEN" in name for name in child.environ())
    process = parser._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()  # as the kernel does when the caller dies
    assert await asyncio.wait_for(process.wait(), 20) in {0, -signal.SIGPIPE}
