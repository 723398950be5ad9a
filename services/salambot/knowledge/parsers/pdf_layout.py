"""The layout of a PDF page: ruled tables, tables without lines, columns of prose, in the order they are read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from salambot.knowledge.parsers.cells import EMPTY, Cell, Grid, text_cell
from salambot.knowledge.parsers.pdf_lines import Glyph, Line, is_mostly_arabic, join_lines, read_lines

_MIN_COLUMN_LINES = 4
_MIN_COLUMN_CHARACTERS = 18
"""Average characters of a line from which on columns hold prose."""
_MIN_TABLE_LINES = 3
_EDGE = 3.0
"""Points by which the edges of cells may differ."""

Page = Any
"""pdfplumber has no types."""


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table where it stands on its page."""

    grid: Grid
    x0: float
    x1: float
    top: float
    bottom: float
    page: int
    edges: tuple[int, ...] = ()


Item = Line | PageTable


def read_page(page: Page, number: int) -> list[Item]:
    """Return the lines and tables of a page, in the order they are read."""
    glyphs = [glyph for glyph in page.dedupe_chars().chars if _is_on_page(glyph, page)]
    is_rtl = is_mostly_arabic(glyphs)
    tables = [found for table in page.find_tables() if (found := _ruled_table(table, glyphs, number)) is not None]
    free = [glyph for glyph in glyphs if not any(_is_inside(glyph, table) for table in tables)]
    rows = list(read_lines(free, is_rtl_page=is_rtl))
    lines = [line for row in rows for line in row]
    for line in lines:
        line.page = number
    _set_edges(lines)
    return list(_order(_with_loose_tables(rows, number), tables, is_rtl=is_rtl))


def _is_on_page(glyph: Glyph, page: Page) -> bool:
    left, top, right, bottom = page.bbox
    return bool(glyph["x1"] > left and glyph["x0"] < right and glyph["bottom"] > top and glyph["top"] < bottom)


def _is_inside(glyph: Glyph, table: PageTable) -> bool:
    x, y = (glyph["x0"] + glyph["x1"]) / 2, (glyph["top"] + glyph["bottom"]) / 2
    return bool(table.x0 <= x <= table.x1 and table.top <= y <= table.bottom)


def _ruled_table(table: Any, glyphs: Sequence[Glyph], number: int) -> PageTable | None:  # noqa: ANN401 - as Page
    """Read a table that is drawn with lines; a frame around a text is none."""
    xs = _edges([edge for cell in table.cells for edge in (cell[0], cell[2])])
    ys = _edges([edge for cell in table.cells for edge in (cell[1], cell[3])])
    if len(xs) < 3 or len(ys) < 3:
        return None
    left, top, right, bottom = table.bbox
    inside = [
        glyph
        for glyph in glyphs
        if left <= (glyph["x0"] + glyph["x1"]) / 2 <= right and top <= glyph["bottom"] <= bottom + _EDGE
    ]
    is_rtl = is_mostly_arabic(inside)
    grid = [[EMPTY] * (len(xs) - 1) for _ in ys[1:]]
    for box in table.cells:
        cell = _cell(box, inside, is_rtl=is_rtl)
        for row in range(_at(ys, box[1]), _at(ys, box[3])):
            grid[row][_at(xs, box[0]) : _at(xs, box[2])] = [cell] * (_at(xs, box[2]) - _at(xs, box[0]))
    if sum(any(cell.text for cell in row) for row in grid) < 2:
        return None
    rows = [list(reversed(row)) for row in grid] if is_rtl else grid
    return PageTable(rows, left, right, top, bottom, number, tuple(round(x / 4) for x in xs))


def _edges(values: list[float]) -> list[float]:
    """Return the distinct edges in order; those that differ by a line's width are one."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > _EDGE:
            kept.append(value)
    return kept


def _at(edges: Sequence[float], value: float) -> int:
    return min(range(len(edges)), key=lambda at: abs(edges[at] - value))


def _cell(box: tuple[float, float, float, float], glyphs: Sequence[Glyph], *, is_rtl: bool) -> Cell:
    left, top, right, bottom = box
    own = [
        glyph
        for glyph in glyphs
        if left <= (glyph["x0"] + glyph["x1"]) / 2 <= right and top <= (glyph["top"] + glyph["bottom"]) / 2 <= bottom
    ]
    lines = list(read_lines(own, is_rtl_page=is_rtl))
    text = join_lines(lines, is_rtl=is_rtl).replace("\n", " ")
    return (
        text_cell(text, is_header=bool(lines) and all(piece.is_bold for row in lines for piece in row))
        if text
        else EMPTY
    )


def _with_loose_tables(rows: list[list[Line]], number: int) -> Iterator[Item]:
    """Make tables of lines whose pieces stand below one another; other pieces stay lines."""
    at = 0
    while at < len(rows):
        end = _end_of_run(rows, at)
        table = _loose_table(rows[at:end], number) if end - at >= _MIN_TABLE_LINES else None
        if table is not None:
            yield table
            at = end
        else:
            yield from rows[at]
            at += 1


def _end_of_run(rows: Sequence[Sequence[Line]], at: int) -> int:
    """Return where a run of lines with several pieces ends; one piece below a column of the table is its next line."""
    end = at
    while end < len(rows) and (len(rows[end]) > 1 or (end > at and _is_continuation(rows, end))):
        if end > at and rows[end][0].top - rows[end - 1][0].bottom > 2.5 * rows[end][0].size:
            break
        end += 1
    while end > at and len(rows[end - 1]) < 2 and rows[end - 1][0].x0 < rows[at][0].x0 + 1:
        end -= 1
    return end


def _is_continuation(rows: Sequence[Sequence[Line]], at: int) -> bool:
    (line,) = rows[at][:1]
    above = rows[at - 1]
    starts = [piece.x0 for piece in (above if len(above) > 1 else rows[at - 2] if at > 1 else above)]
    is_close = line.top - above[0].bottom < 0.6 * line.size
    return is_close and any(abs(line.x0 - start) < _EDGE for start in starts[1:])


def _loose_table(rows: Sequence[Sequence[Line]], number: int) -> PageTable | None:
    spans = _columns([piece for row in rows for piece in row])
    full = [row for row in rows if len({_span_of(spans, piece) for piece in row}) == len(row) > 1]
    if len(spans) < 2 or len(full) < _MIN_TABLE_LINES or len(full) * 2 < len(rows):
        return None
    average = sum(len(piece.text) for row in full for piece in row) / sum(map(len, full))
    if average >= _MIN_COLUMN_CHARACTERS and len(spans) < 3 and not _aligned_numbers(full):
        return None  # columns of prose
    grid: list[list[str]] = []
    bold: list[bool] = []
    for row in rows:
        texts = [""] * len(spans)
        for piece in row:
            texts[_span_of(spans, piece)] = piece.text
        if len(row) == 1 and grid:
            grid[-1] = [f"{above} {text}".strip() for above, text in zip(grid[-1], texts, strict=True)]
        else:
            grid.append(texts)
            bold.append(all(piece.is_bold for piece in row))
    cells = [[text_cell(text, is_header=mark) for text in texts] for texts, mark in zip(grid, bold, strict=True)]
    pieces = [piece for row in rows for piece in row]
    if sum(piece.is_rtl for piece in pieces) * 2 > len(pieces):
        cells = [list(reversed(row)) for row in cells]
    return PageTable(
        cells,
        min(piece.x0 for piece in pieces),
        max(piece.x1 for piece in pieces),
        rows[0][0].top,
        rows[-1][0].bottom,
        number,
    )


def _aligned_numbers(rows: Sequence[Sequence[Line]]) -> bool:
    return sum(text_cell(row[-1].text).is_number or text_cell(row[0].text).is_number for row in rows) * 2 > len(rows)


def _columns(pieces: Sequence[Line]) -> list[tuple[float, float]]:
    """Return the ranges of x that the pieces cover, those that overlap as one."""
    spans: list[tuple[float, float]] = []
    for left, right in sorted((piece.x0, piece.x1) for piece in pieces):
        if spans and left <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], right))
        else:
            spans.append((left, right))
    return spans


def _span_of(spans: Sequence[tuple[float, float]], piece: Line) -> int:
    return next(at for at, (left, right) in enumerate(spans) if left <= piece.x0 <= right)


def _order(loose: Iterator[Item], tables: Sequence[PageTable], *, is_rtl: bool) -> Iterator[Item]:
    """Yield what stands on the page in reading order: where a gutter parts it, one column after the other."""
    items = sorted([*loose, *tables], key=lambda item: (round(item.top), -item.x1 if is_rtl else item.x0))
    at = 0
    while at < len(items):
        gutter, end = _gutter(items, at)
        if gutter is None:
            yield items[at]
            at += 1
            continue
        left = [item for item in items[at:end] if item.x1 <= gutter]
        right = [item for item in items[at:end] if item.x1 > gutter]
        for column in (right, left) if is_rtl else (left, right):
            _set_edges([item for item in column if isinstance(item, Line)])
            yield from _order(iter(column), (), is_rtl=is_rtl)
        at = end


def _set_edges(lines: Sequence[Line]) -> None:
    """Note on each line where its column begins and ends."""
    left, right = min((line.x0 for line in lines), default=0), max((line.x1 for line in lines), default=0)
    for line in lines:
        line.left, line.right = left, right


def _gutter(items: Sequence[Item], at: int) -> tuple[float | None, int]:
    """Return an x that nothing crosses from item `at` on, with enough lines on both sides; and where that ends."""
    best: tuple[float | None, int] = (None, at)
    for x in sorted({item.x0 - 1 for item in items[at : at + 60]}):
        end = at
        while end < len(items) and not items[end].x0 < x < items[end].x1:
            end += 1
        left = [item for item in items[at:end] if item.x1 <= x]
        right = [item for item in items[at:end] if item.x0 >= x]
        if end > best[1] and _are_columns(left) and _are_columns(right) and _stand_beside(left, right):
            best = (x, end)
    return best


def _are_columns(items: Sequence[Item]) -> bool:
    lines = [item for item in items if isinstance(item, Line)]
    return len(lines) >= _MIN_COLUMN_LINES and sum(len(line.text) for line in lines) >= _MIN_COLUMN_CHARACTERS * len(
        lines
    )


def _stand_beside(left: Sequence[Item], right: Sequence[Item]) -> bool:
    """True if the two sides share most of their height, and are not one block each above the other."""
    low = min(max(item.bottom for item in left), max(item.bottom for item in right))
    high = max(min(item.top for item in left), min(item.top for item in right))
    shorter = min(max(item.bottom for item in side) - min(item.top for item in side) for side in (left, right))
    return (low - high) * 2 > shorter and max(b.top - a.bottom for a, b in pairwise(left)) < 120
