"""From the lines of a PDF to blocks: which lines are headings, which belong to one paragraph, which to every page."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from salambot.knowledge.parsers.blocks import PSEUDO_LEVEL, Block, Heading, Paragraph, Table, is_in_capitals
from salambot.knowledge.parsers.cells import Grid
from salambot.knowledge.parsers.pdf_layout import Item, PageTable
from salambot.knowledge.parsers.pdf_lines import Line

_MARGIN = 0.14
"""Share of a page's height, at its top and its bottom, in which running heads and feet stand."""
_PAGE_NUMBER = re.compile(
    r"(?:page|p\.|صفحة|الصفحة)?\s*[-–—]?\s*\d{1,4}\s*(?:[-–—/]|sur|of|de|من)?\s*(?:\d{1,4})?\s*[-–—]?", re.IGNORECASE
)
_FULL_LINE = 0.8
_LINE_GAP, _OPEN_GAP = 0.75, 1.3
"""The most space between two lines of a paragraph, in sizes of its letters; more inside a sentence."""
_HEADING_RATIO = 1.06
_MAX_HEADING_SHARE = 0.3
_MAX_HEADING = 140
_BULLET = re.compile(r"^(?:[•▪●○◦‣✓✔➢➤■□–—*·-]|\d{1,2}[.)]|[a-z]\))\s+")
_LEADERS = re.compile(r"\s*(?:\.{4,}|…{2,}|_{4,}|(?:\. ){4,}\.?)\s*")
_ENDS_SENTENCE = re.compile(r"[.!?؟:;»\"”)]$")


class Furniture:
    """The lines at the edge of several pages: running heads and feet, page numbers."""

    def __init__(self, pages: Sequence[Sequence[Item]], heights: Sequence[float]) -> None:
        self._heights = heights
        self._body = _body_size([item for page in pages for item in page if isinstance(item, Line)])
        lines = [[item for item in page if isinstance(item, Line) and self._is_in_margin(item)] for page in pages]
        counts = Counter(key for page in lines for key in {self._key(line) for line in page})
        self._repeated = {key for key, count in counts.items() if count > 1 and count * 3 >= len(pages)}
        self._lines = {id(line) for page in lines for line in self._outermost(page)}

    def holds(self, item: Item) -> bool:
        return id(item) in self._lines

    def _outermost(self, page: Sequence[Line]) -> Iterator[Line]:
        """Yield the repeated lines of a page from its edges inwards, up to the first that is not."""
        middle = self._heights[page[0].page] / 2 if page else 0
        top = sorted((line for line in page if line.top < middle), key=lambda line: line.top)
        bottom = sorted((line for line in page if line.top >= middle), key=lambda line: -line.top)
        for side in (top, bottom):
            yield from takewhile(self._is_repeated, side)

    def _is_repeated(self, line: Line) -> bool:
        return self._key(line) in self._repeated or _PAGE_NUMBER.fullmatch(line.text) is not None

    def _is_in_margin(self, item: Item) -> bool:
        height = self._heights[item.page]
        return item.bottom < height * _MARGIN or item.top > height * (1 - _MARGIN)

    def _key(self, line: Line) -> str:
        """Return what repeats: in small letters without its numbers, since `Page 2` is `Page 3`."""
        is_small = line.size <= self._body
        return f"{round(line.size)} {re.sub(r'[0-9٠-٩]+', '0', line.text) if is_small else line.text}"


def _body_size(lines: Sequence[Line]) -> float:
    """Return the size that most letters have."""
    letters = Counter[float]()
    for line in lines:
        letters[line.size] += len(line.text)
    return max(letters, key=lambda size: letters[size]) if letters else 0


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
    body = _body_size(lines)
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
    if is_in_capitals(line.text) and not (isinstance(following, Line) and is_in_capitals(following.text)):
        return PSEUDO_LEVEL
    return PSEUDO_LEVEL if line.is_bold and ends and (stands_alone or _is_bold_run(items, at)) else 0


def _is_bold_run(items: Sequence[Item], at: int) -> bool:
    """True for a bold line whose heading goes on in the next: two bold lines above plain text."""
    run = [item for item in items[at : at + 3] if isinstance(item, Line)]
    return len(run) == 3 and run[1].is_bold and not run[2].is_bold


@dataclass(slots=True)
class _Building:
    """The paragraph or heading that the last lines belong to, and a table that the next page may continue."""

    lines: list[Line] = field(default_factory=list)
    joints: list[str] = field(default_factory=list)
    """The text before each line of a paragraph: a space, or the end of a line that its writer broke."""
    level: int = 0
    grid: Grid = ()
    last_table: PageTable | None = None

    def line(self, line: Line) -> Iterator[Block]:
        joint = self._joint(line) if self.lines and not self.level else None
        if joint is None:
            yield from self.flush()
        self.joints.append(joint or "")
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
        self.joints.append(" ")
        self.lines.append(line)

    def flush(self) -> Iterator[Block]:
        """Yield what is complete."""
        if self.lines and self.level:
            yield Heading(self.level, " ".join(line.text for line in self.lines))
        elif self.lines:
            text = _LEADERS.sub(": ", _join(self.lines, self.joints))
            yield Paragraph(text, is_bold=all(line.is_bold for line in self.lines), is_item=bool(_BULLET.match(text)))
        self.lines, self.joints, self.level = [], [], 0

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

    def _joint(self, line: Line) -> str | None:
        """Return what joins a line to the paragraph of the last: a space or a line end; None where a new one begins."""
        last = self.lines[-1]
        if _BULLET.match(line.text) or last.size != line.size or last.is_bold != line.is_bold:
            return None
        if last.page != line.page or line.top < last.top:  # the next page or column
            return " " if not _ENDS_SENTENCE.search(last.text) and line.text[:1].islower() else None
        goes_on = last.text.endswith((",", "،", "-")) or line.text[:1].islower()
        gap = (line.top - last.bottom) / line.size
        if gap > (_OPEN_GAP if goes_on else _LINE_GAP if not _is_open_and_full(last) else 1):
            return None
        if goes_on or _is_open_and_full(last) or not _had_room(last, line):
            return " "
        return "\n"


def _is_open_and_full(line: Line) -> bool:
    """True for a line that ends no sentence and leaves little of its column blank."""
    used = line.right - line.x0 if line.is_rtl else line.x1 - line.left
    return used > _FULL_LINE * (line.right - line.left) and not _ENDS_SENTENCE.search(line.text)


def _had_room(last: Line, line: Line) -> bool:
    """True if the next line's first word would have fitted behind the last: its writer broke the line."""
    room = last.x0 - last.left if line.is_rtl else last.right - last.x1
    words = line.text.split()
    together = 2 if words and words[0][:1].isdigit() else 1  # no line is broken between a number and its unit
    width = (line.x1 - line.x0) / max(len(line.text), 1) * (len(" ".join(words[:together])) + 1)
    return room > width * 1.3


def _join(lines: Sequence[Line], joints: Sequence[str]) -> str:
    """Join the lines of a paragraph; a word that was cut at the end of a line is whole again."""
    text = ""
    for line, joint in zip(lines, joints, strict=True):
        if joint == " " and re.search(r"[a-zà-ÿ]-$", text) and re.match(r"[a-zà-ÿ]", line.text):
            text = text[:-1] + line.text
        else:
            text = f"{text}{joint}{line.text}".strip()
    return text
