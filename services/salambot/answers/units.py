"""Cut a passage into sections, and these into what can be an answer: sentences, list items and table rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from salambot.answers.markup import plain, sentences
from salambot.answers.tables import Row, record, row_of_cells, rows_of
from salambot.core.schemas import Passage

_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_QUESTION = re.compile(r"^(?:\*\*|__)?(?:[QسF]\s*[:.-]\s*)?(.{3,160}[?؟])(?:\*\*|__)?$")
_BOLD_LINE = re.compile(r"^(?:\*\*|__)([^*_]{2,100}?)\s*:?(?:\*\*|__)\s*:?$")
_ANSWER_MARK = re.compile(r"^(?:\*\*)?(?:R|A|ج)\s*[:.-](?:\*\*)?\s+")
_ITEM = re.compile(r"^\s*(?:[-*+•–·▪●]|\d{1,2}[.)]|[٠-٩]{1,2}[.)-])\s+(?=\S)")
_RULE = re.compile(r"^[-*_=\s]{3,}$")
_FURNITURE = re.compile(
    r"^(?:.{0,60}[-–|·]\s*)?(?:page|p\.|صفحة|الصفحة)\s*\d{1,4}(?:\s*(?:/|sur|of|de|من)\s*\d{1,4})?(?:\s*[-–|·].{0,60})?$"
    r"|^[-–\s]*\d{1,4}\s*(?:/|sur|of)\s*\d{1,4}[-–\s]*$|^©.{0,80}$",
    re.IGNORECASE,
)
_SENTENCE_ENDS = (".", "!", "?", "؟", "…", ":", ";", "؛")
_MAX_HEADING_LENGTH = 70
_FULL_LINE = 55
"""Characters: a line this long without a full stop was wrapped by a printer."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of text that can be an answer. A list item depends on `intro`, the line above its list."""

    kind: Literal["sentence", "item", "row"]
    text: str
    paragraph: int
    intro: str = ""
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class PassageSection:
    """A piece of a passage under one path of headings, outermost first."""

    title: str
    path: tuple[str, ...]
    units: tuple[Unit, ...]
    language: str

    @property
    def body(self) -> str:
        """All its words."""
        return "\n".join(unit.text for unit in self.units)


def sections_of(passage: Passage) -> tuple[PassageSection, ...]:
    """Return the sections of a passage that hold any words."""
    heading = passage.metadata.get("heading", "")
    return _sections(passage.title, heading, passage.text, passage.language, passage.metadata.get("kind") == "row")


@lru_cache(maxsize=1024)
def _sections(title: str, heading: str, text: str, language: str, is_row: bool) -> tuple[PassageSection, ...]:
    path = tuple(part for part in map(str.strip, heading.split(" > ")) if part)
    cut = [(path, _below_heading(text))] if is_row else _cut(path, text)
    found = (
        PassageSection(title, section_path, units, language)
        for section_path, lines in cut
        if (units := tuple(_row_units(lines) if is_row else _units(lines)))
    )
    return tuple(found)


def _below_heading(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and _HEADING.match(line) is None]


def _row_units(lines: list[str]) -> Iterator[Unit]:
    """A passage that is a row of a table: a line a cell."""
    if row := row_of_cells(lines):
        yield Unit("row", row.text, 0, row=row)


def _cut(path: tuple[str, ...], text: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield each heading path with the lines below it; an empty line stands between paragraphs."""
    lines = [line.rstrip() for line in text.splitlines()]
    current, below = path, list[str]()
    for number, line in enumerate(lines):
        stripped = line.strip()
        if _FURNITURE.match(stripped) or _RULE.match(stripped):
            continue
        if heading := _heading(stripped, lines[:number], lines[number + 1 :]):
            yield current, below
            current, below = _descend(path, heading), []
        else:
            below.append(line)
    yield current, below


def _descend(path: tuple[str, ...], heading: str) -> tuple[str, ...]:
    """The first heading of a passage's text repeats the last of its path."""
    return path if path[-1:] == (heading,) else (*path, heading)


def _heading(line: str, before: list[str], after: list[str]) -> str | None:
    if marked := _HEADING.match(line):
        return plain(marked[2])
    if _ITEM.match(line) or line.startswith("|"):
        return None
    if found := _QUESTION.match(line) or _BOLD_LINE.match(line):
        return plain(found[1])
    return line if _looks_like_a_heading(line, before, after) else None


def _looks_like_a_heading(line: str, before: list[str], after: list[str]) -> bool:
    """Plain text has no marks: a heading is short, unfinished, alone on its line, with text right below."""
    if not 2 < len(line) <= _MAX_HEADING_LENGTH or line.endswith((*_SENTENCE_ENDS, ",", "،")) or record([line]):
        return False
    above, below = before[-1].strip() if before else "", after[0].strip() if after else ""
    starts = line[0].isupper() or line[0].isdigit() or "\u0621" <= line[0] <= "\u064a"
    return (
        starts
        and (not above or above.endswith(_SENTENCE_ENDS))
        and len(below) > len(line)
        and not below[0].islower()
        and (below.endswith((*_SENTENCE_ENDS, ",", "،")) or len(below) >= _FULL_LINE)
        and not _ITEM.match(below)
    )


def _units(lines: list[str]) -> Iterator[Unit]:
    intro = ""
    for number, block in enumerate(_blocks(lines)):
        units = list(_units_of_block(block, number))
        if intro and units and units[0].kind == "item":  # an empty line may stand between a list and its intro
            units = [replace(unit, intro=unit.intro or intro) for unit in units]
        yield from units
        intro = units[-1].text if units and units[-1].text.endswith(":") else ""


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Yield runs of lines of one kind: prose joined where it was wrapped, a list with its intro, a table."""
    block: list[str] = []
    for line in [*lines, ""]:
        stripped = line.strip()
        if block and (not stripped or _starts_block(block, stripped)):
            yield block
            block = []
        if stripped:
            block.append(stripped)


def _starts_block(block: list[str], line: str) -> bool:
    last = block[-1]
    if last.startswith("|") or line.startswith("|"):
        return last.startswith("|") != line.startswith("|")
    return False


def _units_of_block(block: list[str], number: int) -> Iterator[Unit]:
    if block[0].startswith("|"):
        yield from (Unit("row", row.text, number, row=row) for row in rows_of(block))
    elif not _ITEM.match(block[0]) and (members := record(block)):
        yield from (Unit("row", row.text, number, row=row) for row in members)
    else:
        yield from _prose(block, number)


def _prose(block: list[str], number: int) -> Iterator[Unit]:
    intro = ""
    for line in _unwrapped(block):
        if _ITEM.match(line):
            yield Unit("item", plain(line), number, intro)
            continue
        said = [plain(sentence) for sentence in sentences(_ANSWER_MARK.sub("", line))]
        intro = said[-1] if said and said[-1].endswith(":") else ""
        yield from (Unit("sentence", sentence, number) for sentence in said if sentence)


def _unwrapped(block: list[str]) -> Iterator[str]:
    """Join lines that a printer or an editor wrapped in the middle of a sentence."""
    joined = last = ""
    for line in block:
        if joined and not _ITEM.match(line) and _continues(last, line):
            joined = f"{joined} {line}"
        else:
            if joined:
                yield joined
            joined = line
        last = line
    if joined:
        yield joined


def _continues(last: str, line: str) -> bool:
    """A line ended by a printer is long, and has no full stop; the next may begin in lower case."""
    if last.endswith(_SENTENCE_ENDS):
        return False
    return line[0].islower() or len(last) >= _FULL_LINE or last.endswith((",", "،"))
