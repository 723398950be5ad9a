"""Plain text: paragraphs; a question, or a line in capitals, is the heading of what stands below it."""

import re
from collections.abc import Iterator

from salambot.knowledge.parsers.base import Document
from salambot.knowledge.parsers.blocks import (
    PSEUDO_LEVEL,
    SPEAKER,
    Block,
    Heading,
    Paragraph,
    is_in_capitals,
    read_blocks,
)
from salambot.knowledge.parsers.cells import is_question
from salambot.knowledge.parsers.encoding import decode

_BULLET = re.compile(r"^\s*(?:[-*•–▪]|\d{1,2}[.)])\s+")
_UNDERLINE = re.compile(r"^\s*([=\-_*~])\1{2,}\s*$")
_MAX_HEADING = 90


def parse(_: str, content: bytes) -> Document:
    """Return the sections of a text."""
    return Document("", tuple(read_blocks(_blocks(decode(content).split("\n")))))


def _blocks(lines: list[str]) -> Iterator[Block]:
    paragraph: list[str] = []
    for at, line in enumerate(lines):
        following = lines[at + 1] if at + 1 < len(lines) else ""
        text = SPEAKER.sub("", line)
        if _UNDERLINE.match(line):
            continue
        if _is_heading(text, following):
            yield from _paragraph(paragraph)
            paragraph = []
            yield Heading(PSEUDO_LEVEL, text.strip(" :\t"))
        elif text.strip():
            paragraph.append(text.strip())
        else:
            yield from _paragraph(paragraph)
            paragraph = []
    yield from _paragraph(paragraph)


def _is_heading(text: str, following: str) -> bool:
    if not text.strip() or len(text) > _MAX_HEADING * 2 or (_BULLET.match(text) and not is_question(text)):
        return False
    is_underlined = bool(_UNDERLINE.match(following)) and len(text) <= _MAX_HEADING
    return is_underlined or is_in_capitals(text) or (is_question(text) and not is_question(following))


def _paragraph(lines: list[str]) -> Iterator[Block]:
    if lines:
        yield Paragraph("\n".join(lines))
