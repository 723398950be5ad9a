"""Cells of a table, whatever file it stands in. A merged cell is one `Cell` object in each place that it covers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import pairwise

_UNIT = r"(?:%|‰|°C?|€|\$|£|dhs?|mad|eur|usd|درهم(?:ا)?|د\.?\s?م\.?|h|j|min|mn|s|kg|g|mg|m|m²|cm|mm|km|ml|cl|l|go|mo)"
_NUMBER = re.compile(
    rf"[~≈<>≥≤+-]?\s*(?:[€$£]\s?)?\d[\d\s.,'/:\u00a0\u202f-]*\s*{_UNIT}?(?:\s*/\s*\w+)?\s*", re.IGNORECASE
)
_TAG = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|hr|i|img|li|ol|p|small|span|strong|su[bp]|table|tbody|t[dhr]|u|ul)\b[^<>]*>",
    re.IGNORECASE,
)
_LINE_TAG = re.compile(r"<(?:/(?:div|h[1-6]|li|p|tr)|[bh]r)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """The shown text of a cell. `is_header` comes from the file (bold, `<th>`); `is_number` covers dates and prices."""

    text: str
    is_header: bool = False
    is_number: bool = False


EMPTY = Cell("")
Row = Sequence[Cell]
Grid = Sequence[Row]


def text_cell(text: str, *, is_header: bool = False) -> Cell:
    """Make a cell of what a text format holds."""
    text = without_tags(text).strip()
    return Cell(text, is_header, is_number=bool(_NUMBER.fullmatch(text))) if text else EMPTY


def without_tags(text: str) -> str:
    """Return what a page would show of a value: shops export the descriptions of their products as HTML."""
    if not _TAG.search(text):
        return text
    lines = _TAG.sub(lambda tag: "\n" if _LINE_TAG.match(tag[0]) else " " if tag[0][1] == "/" else "", text)
    return "\n".join(filter(None, (" ".join(line.split()) for line in unescape(lines).split("\n"))))


def filled(row: Row) -> list[Cell]:
    """Return the cells of a row that hold something, a merged cell once."""
    return list(dict.fromkeys(cell for cell in row if cell.text))


def is_question(text: str) -> bool:
    """True if a text is one question, of the length that a heading may have."""
    return len(text) <= MAX_QUESTION and text.rstrip(' *_»"').endswith(("?", "؟"))


MAX_QUESTION = 200
"""Characters."""


def trim(grid: Grid) -> list[list[Cell]]:
    """Make all rows equally wide, without columns that hold nothing and blank rows at the ends."""
    width = max(map(len, grid), default=0)
    rows = [[*row, *[EMPTY] * (width - len(row))] for row in grid]
    used = [column for column in range(width) if any(row[column].text for row in rows)]
    rows = [[row[column] for column in used] for row in rows]
    while rows and not filled(rows[-1]):
        rows.pop()
    while rows and not filled(rows[0]):
        rows.pop(0)
    return rows


def side_by_side(grid: Grid) -> list[list[list[Cell]]]:
    """Cut a grid at its blank columns where the parts are tables of their own: not filled in the same rows."""
    width = max(map(len, grid), default=0)
    rows = [[*row, *[EMPTY] * (width - len(row))] for row in grid]
    blank = [column for column in range(width) if not any(row[column].text for row in rows)]
    parts = [part for part in _cut(rows, [-1, *blank, width]) if len(part[0]) > 1] if rows else []
    shapes = {tuple(bool(filled(row)) for row in part) for part in parts}
    whole = sum(len(part[0]) for part in parts) == width - len(blank)
    return parts if len(shapes) > 1 and whole else [rows]


def _cut(rows: list[list[Cell]], edges: Sequence[int]) -> Iterable[list[list[Cell]]]:
    for left, right in pairwise(edges):
        if right - left > 1:
            yield [row[left + 1 : right] for row in rows]
