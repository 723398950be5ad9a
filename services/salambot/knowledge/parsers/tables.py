"""From the cells of a table to passages that are understood on their own: a row, or a question with its answer."""

import re
from collections.abc import Iterator, Sequence

from salambot.knowledge.parsers.base import Section, UnreadableDocumentError
from salambot.knowledge.parsers.cells import Cell, Grid, Row, filled, is_question, side_by_side, trim
from salambot.knowledge.parsers.faq_columns import FaqColumns, find_faq_columns
from salambot.knowledge.parsers.headers import header_depth, is_list_of_particulars, is_marked_header, labels

MAX_ROWS = 100_000
_MAX_HEADING = 90
"""Characters of a title or of the name of a group of rows: a longer text is a note."""
_MAX_SUBTITLE = 60
_MAX_PARTICULARS = 12
"""Rows of a list of particulars that stand in one passage."""
_PHONE_LABEL = re.compile(
    r"\b(?:t[ée]l|t[ée]l[ée]phone|phone|gsm|mobile|fax|whatsapp|fixe|portable)\b|هاتف|واتساب", re.IGNORECASE
)
_LOST_ZERO = re.compile(r"[5-8]\d{8}")
_LOST_PLUS = re.compile(r"212[5-8]\d{8}")


def read_table(grid: Grid, headings: tuple[str, ...] = ()) -> Iterator[Section]:
    """Yield the passages of a table below these headings. No cell is lost."""
    if sum(1 for row in grid if filled(row)) > MAX_ROWS:
        raise UnreadableDocumentError(f"more than {MAX_ROWS} rows")
    for part in side_by_side(grid):
        rows = trim(part)
        if rows and len(rows[0]) == 1:
            yield from read_column([row[0] for row in rows], headings)
        elif rows:
            yield from _Reader(rows, headings).read()


def read_column(cells: Sequence[Cell], headings: tuple[str, ...]) -> Iterator[Section]:
    """Yield the passages of a single column: a text below each question or marked cell, or one text."""
    lines: list[str] = []
    path = headings
    for cell in cells:
        if is_question(cell.text) or (cell.is_header and not all(other.is_header for other in cells)):
            yield from _text(path, lines)
            path, lines = (*headings, cell.text), []
        elif cell.text:
            lines.append(cell.text)
    yield from _text(path, lines)


def row_section(headings: tuple[str, ...], pairs: Sequence[tuple[str, str]]) -> Section | None:
    """Make the passage of one row of (header, value)s; None where all are empty."""
    lines = [_line(label, value) for label, value in pairs if value.strip()]
    return Section(headings, "\n".join(dict.fromkeys(lines)), kind="row") if lines else None


def faq_sections(
    columns: FaqColumns, names: Sequence[str], values: Sequence[str], headings: tuple[str, ...]
) -> Iterator[Section]:
    """Yield each question of a row with its answer, below the row's category; other columns stand below the answer."""
    above = tuple(values[column].strip() for column in columns.categories if values[column].strip())
    rest = [_line(names[column], values[column]) for column in columns.others if values[column].strip()]
    for question, answer in columns.pairs:
        if values[question].strip() and values[answer].strip():
            text = "\n".join((values[answer].strip(), *rest))
            yield Section((*headings, *above, values[question].strip()), text)
    if not any(values[question].strip() and values[answer].strip() for question, answer in columns.pairs):
        section = row_section((*headings, *above), list(zip(names, values, strict=True)))
        if section is not None:
            yield section


def _line(label: str, value: str) -> str:
    value = _one_line(value)
    if _PHONE_LABEL.search(label):
        value = _with_prefix(value)
    if not label or label == value:
        return value
    return f"{label} {value}" if label.endswith(("?", "؟")) else f"{label}: {value}"


def _one_line(value: str) -> str:
    parts = [part.strip() for part in value.strip().split("\n") if part.strip()]
    return "".join(
        part + (" " if part.endswith((".", ",", ";", ":", "!", "?", "؟", "،")) else ", ") for part in parts
    ).rstrip(" ,")


def _with_prefix(value: str) -> str:
    """Give a Moroccan number back what a spreadsheet took from it: it reads 0522… and +212… as numbers."""
    if _LOST_ZERO.fullmatch(value):
        return f"0{value}"
    return f"+{value}" if _LOST_PLUS.fullmatch(value) else value


def _text(headings: tuple[str, ...], lines: Sequence[str]) -> Iterator[Section]:
    if lines:
        yield Section(headings, "\n".join(lines))


class _Reader:
    """Reads one grid from the top: titles, a header, rows, names of groups, notes, then perhaps another table."""

    def __init__(self, rows: Grid, headings: tuple[str, ...]) -> None:
        self._rows, self._headings = rows, headings
        self._titles: list[str] = []
        self._path = headings
        self._group = self._subject = ""
        self._header: list[str] | None = None
        self._names: list[str] = []
        self._faq: FaqColumns | None = None
        self._after_blank = False

    def read(self) -> Iterator[Section]:
        at = 0
        while at < len(self._rows):
            cells = filled(self._rows[at])
            if len(cells) < 2:
                yield from self._lone(at, cells[0]) if cells else ()
                self._after_blank = not cells
                at += 1
            elif depth := self._header_at(at):
                yield from self._open(self._rows[at : at + depth])
                at += depth
            elif self._header is None:
                end = self._end_of_run(at)
                yield from self._without_header(self._rows[at:end])
                at = end
            else:
                yield from self._row(self._rows[at])
                at += 1
        yield from self._notes()

    def _header_at(self, at: int) -> int:
        """Return the depth of the header that begins here: the first one, or that of a next table."""
        if self._header is None:
            return header_depth(self._rows, at)
        if self._after_blank or (_texts(self._rows[at]) != self._header and is_marked_header(self._rows, at)):
            return header_depth(self._rows, at, strict=True)
        return 0

    def _end_of_run(self, at: int) -> int:
        """Return where the rows from `at` on that have several cells end."""
        return next((n for n in range(at, len(self._rows)) if len(filled(self._rows[n])) < 2), len(self._rows))

    def _lone(self, at: int, cell: Cell) -> Iterator[Section]:
        """Read a row with one filled cell: a title, the name of a group, a note, or a row with little in it."""
        following = next((n for n in range(at + 1, len(self._rows)) if len(filled(self._rows[n])) > 1), None)
        if self._header is None and following is not None:
            self._titles.append(cell.text)
        elif following is not None and header_depth(self._rows, following, strict=True):
            yield from self._notes()
            self._header, self._titles = None, [cell.text]
        elif self._header is not None and self._rows[at][0] is not cell:
            yield from self._row(self._rows[at])
        elif following == at + 1 and len(cell.text) <= _MAX_HEADING and not cell.is_number:
            self._group, self._subject = cell.text, ""
        else:
            self._titles.append(cell.text)

    def _notes(self) -> Iterator[Section]:
        """Yield the titles that no table followed as what they are: a text."""
        yield from _text(self._headings, self._titles)
        self._titles = []

    def _open(self, header: Grid) -> Iterator[Section]:
        self._header, self._names = _texts(header[-1]), labels(header)
        self._faq = find_faq_columns(self._names)
        self._after_blank = False
        yield from self._take_titles()

    def _take_titles(self) -> Iterator[Section]:
        """Put the titles above a table into its path of headings; the long ones are a text below them."""
        first, *others = self._titles or [""]
        path = [first] if len(first) <= _MAX_HEADING else []
        path += [title for title in others if len(title) <= _MAX_SUBTITLE]
        self._path = (*self._headings, *(title for title in path if title and title not in self._headings))
        self._group = self._subject = ""
        yield from _text(self._path, [title for title in self._titles if title not in path])
        self._titles = []

    def _row(self, row: Row) -> Iterator[Section]:
        values = _texts(row)
        if values == self._header:  # printed again on the next page
            return
        self._after_blank = False
        path = (*self._path, self._group) if self._group else self._path
        if self._faq is not None:
            yield from faq_sections(self._faq, self._names, values, path)
            return
        self._subject = values[0] = values[0] or self._subject
        section = row_section(path, list(zip(self._names, values, strict=True)))
        yield from [section] if section is not None else []

    def _without_header(self, rows: Grid) -> Iterator[Section]:
        """Read rows that no header names: questions with answers, particulars, or values beside their first cell."""
        yield from self._take_titles()
        cells = [filled(row) for row in rows]
        if sum(is_question(row[0].text) for row in cells) * 2 > len(cells):
            yield from (Section((*self._path, row[0].text), "\n".join(cell.text for cell in row[1:])) for row in cells)
            return
        lines = [_line(row[0].text.rstrip(" :"), ", ".join(cell.text for cell in row[1:])) for row in cells]
        if is_list_of_particulars(rows) or len(lines) <= _MAX_PARTICULARS:
            yield from _text(self._path, lines)
        else:
            yield from (Section(self._path, line, kind="row") for line in lines)


def _texts(row: Row) -> list[str]:
    return [cell.text for cell in row]
