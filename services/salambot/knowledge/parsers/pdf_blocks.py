"""From the lines of a PDF to blocks: which lines are headings, which belong to one paragraph, which to every page."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from salambot.knowledge.parsers.blocks import PSEUDO_LEVEL, Block, Heading, Paragraph, Table
from salambot.knowledge.parsers.cells import Grid
from salambot.knowledge.parsers.pdf_layout import Item, PageTable
from salambot.knowledge.parsers.pdf_lines import Line

_MARGIN = 0.14
"""Share of a page's height, at its top and its bottom, in which running heads and feet stand."""
_PAGE_NUMBER = re.compile(
    r"(?:page|p\.|صفحة|الصفحة)?\s*[-–—]?\s*\d{1,4}\s*(?:[-–—/]|sur|of|de|من)?\s*(?:\d{1,4})?\s*[-–—]?", re.IGNORECASE
)
_HEADING_RATIO = 1.06
_MAX_HEADING_SHARE = 0.3
_MAX_HEADING = 140
_BULLET = re.compile(r"^(?:[•▪●○◦‣✓✔➢➤■□–—*·-]|\d{1,2}[.)]|[a-z]\))\s+")
_LEADERS = re.compile(r"\s*(?:\.{4,}|…{2,}|_{4,}|(?:\. ){4,}\.?)\s*")
_ENDS_SENTENCE = re.compile(r"[.!?؟:;»\"”)]$")


class Furniture:
    """What stands at the top or the bottom of several pages: running heads and feet, numbers of pages."""

    def __init__(self, pages: Sequence[Sequence[Item]], heights: Sequence[float]) -> None:
        self._heights = heights
        keys = [
            {self._key(item) for item in page if isinstance(item, Line) and self._is_in_margin(item)} for page in pages
        ]
        counts = Counter(key for page in keys for key in page)
        self._repeated = {key for key, count in counts.items() if count > 1 and count * 3 >= len(pages)}

    def holds(self, item: Item) -> bool:
        if not isinstance(item, Line) or not self._is_in_margin(item):
            return False
        return self._key(item) in self._repeated or _PAGE_NUMBER.fullmatch(item.text) is not None

    def _is_in_margin(self, item: Item) -> bool:
        height = self._heights[item.page]
        return item.bottom < height * _MARGIN or item.top > height * (1 - _MARGIN)

    def _key(self, item: Line) -> str:
        return f"{round(item.size)} {re.sub(r'[0-9٠-٩]+', '0', item.text)}"


def read_items(items: Sequence[Item]) -> Iterator[Block]:
    """Yield the blocks of a document, from its lines and tables in reading order."""
    lines = [item for item in items if isinstance(item, Line)]
    levels = _levels(lines)
    building = _Building()
    for at, item in enumerate(items):
        if isinstance(item, PageTable):
            yield from building.flush()
            yield from building.table(item)
            continue
        yield from building.end_table()
        level = _level(items, at, levels)
        if level:
            yield from building.heading(item, level)
        else:
            yield from building.line(item)
    yield from building.flush()
    yield from building.end_table()


def _levels(lines: Sequence[Line]) -> dict[float, int]:
    """Return the level of each size of letters that is clearly larger than the text's."""
    letters = Counter[float]()
    for line in lines:
        letters[line.size] += len(line.text)
    body = max(letters, key=lambda size: letters[size]) if letters else 0
    most = sum(letters.values()) * _MAX_HEADING_SHARE
    larger = sorted(
        (size for size, count in letters.items() if size >= body * _HEADING_RATIO and count < most), reverse=True
    )
    return {size: min(level, PSEUDO_LEVEL - 1) for level, size in enumerate(larger, 1)}


def _level(items: Sequence[Item], at: int, levels: dict[float, int]) -> int:
    """Return the level of a line that is a heading, 0 of any other."""
    line = items[at]
    assert isinstance(line, Line)  # noqa: S101 - the caller looked
    if len(line.text) > _MAX_HEADING or (_BULLET.match(line.text) and not line.is_bold and line.size not in levels):
        return 0
    if line.size in levels:
        return levels[line.size]
    following = items[at + 1] if at + 1 < len(items) else None
    ends = not line.text.endswith((".", ",", ";", "،"))
    stands_alone = isinstance(following, PageTable) or (isinstance(following, Line) and not following.is_bold)
    if _is_capitals(line.text) and not (isinstance(following, Line) and _is_capitals(following.text)):
        return PSEUDO_LEVEL
    return PSEUDO_LEVEL if line.is_bold and ends and (stands_alone or _is_bold_run(items, at)) else 0


def _is_capitals(text: str) -> bool:
    return text.isupper() and sum(letter.isalpha() for letter in text) > max(4, len(text) * 0.6)


def _is_bold_run(items: Sequence[Item], at: int) -> bool:
    """True for a bold line whose heading goes on in the next: two bold lines above plain text."""
    run = [item for item in items[at : at + 3] if isinstance(item, Line)]
    return len(run) == 3 and run[1].is_bold and not run[2].is_bold


@dataclass(slots=True)
class _Building:
    """The paragraph or heading that the last lines belong to, and a table that the next page may continue."""

    lines: list[Line] = field(default_factory=list)
    level: int = 0
    grid: Grid = ()
    last_table: PageTable | None = None

    def line(self, line: Line) -> Iterator[Block]:
        if self.level or (self.lines and not self._goes_on(line)):
            yield from self.flush()
        self.lines.append(line)

    def heading(self, line: Line, level: int) -> Iterator[Block]:
        last = self.lines[-1] if self.lines else None
        goes_on = self.level == level and last is not None and last.page == line.page
        if (
            not goes_on
            or last is None
            or line.top - last.bottom > 0.9 * line.size
            or last.text.endswith(("?", "؟", "."))
        ):
            yield from self.flush()
        self.level = level
        self.lines.append(line)

    def flush(self) -> Iterator[Block]:
        """Yield what is complete."""
        if self.lines and self.level:
            yield Heading(self.level, " ".join(line.text for line in self.lines))
        elif self.lines:
            text = _LEADERS.sub(": ", _join(self.lines))
            yield Paragraph(text, is_bold=all(line.is_bold for line in self.lines), is_item=bool(_BULLET.match(text)))
        self.lines, self.level = [], 0

    def table(self, table: PageTable) -> Iterator[Block]:
        """Add a table to the one before it where it goes on on the next page."""
        last = self.last_table
        if last is None or not (last.edges and last.edges == table.edges and table.page == last.page + 1):
            yield from self.end_table()
            self.grid = ()
        self.grid = (*self.grid, *table.grid)
        self.last_table = table

    def end_table(self) -> Iterator[Block]:
        if self.grid:
            yield Table(self.grid)
        self.grid, self.last_table = (), None

    def _goes_on(self, line: Line) -> bool:
        """True if a line belongs to the paragraph of the last one: the break between them is the margin's doing."""
        last = self.lines[-1]
        if _BULLET.match(line.text) or last.size != line.size or last.is_bold != line.is_bold:
            return False
        if last.page != line.page or line.top < last.top:  # the next page or column
            return not _ENDS_SENTENCE.search(last.text) and line.text[:1].islower()
        if line.top - last.bottom > 0.75 * line.size:
            return False
        goes_on = last.text.endswith((",", "،", "-")) or line.text[:1].islower()
        return goes_on or not _had_room(last, line)


def _had_room(last: Line, line: Line) -> bool:
    """True if the next line's first word would have fitted behind the last: its writer broke the line."""
    room = last.x0 - last.left if line.is_rtl else last.right - last.x1
    words = line.text.split()
    together = 2 if words and words[0][:1].isdigit() else 1  # no line is broken between a number and its unit
    width = (line.x1 - line.x0) / max(len(line.text), 1) * (len(" ".join(words[:together])) + 1)
    return room > width * 1.3


def _join(lines: Sequence[Line]) -> str:
    """Join the lines of a paragraph; a word that was cut at the end of a line is whole again."""
    text = ""
    for line in lines:
        if re.search(r"[a-zà-ÿ]-$", text) and re.match(r"[a-zà-ÿ]", line.text):
            text = text[:-1] + line.text
        else:
            text = f"{text} {line.text}".strip()
    return text
