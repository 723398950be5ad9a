"""Rows of tables and records, and how one is said as a sentence."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from salambot.answers.markup import plain

_SEPARATOR = re.compile(r"^\|?[\s:|-]*-[\s:|-]*\|?$")
_MEMBER = re.compile(r"^([^\s:|][^:|\n]{0,58}?)\s*:\s+(\S.*)$")
_CELL = re.compile(r"(?<!\\)\|")
_UNIT = re.compile(r"^(.*?)\s*[(\[]\s*(?:en\s+|in\s+|ب)?([^()\[\]\d]{1,14})\s*[)\]]$")
_NUMERIC = re.compile(r"^[\d\s.,  ]+%?$")
_TRUTH = frozenset({"oui", "non", "yes", "no", "نعم", "لا", "إيه", "✓", "✔", "✗", "x", "-", "–", "—", "true", "false"})
_MAX_LETTERS_OF_A_NAME, _MAX_LETTERS_OF_A_CELL = 60, 400


@dataclass(frozen=True, slots=True)
class Row:
    """Cells with their columns, empty ones left out. The first names what the row is about."""

    cells: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """The subject of the row."""
        return self.cells[0][1]

    @property
    def text(self) -> str:
        """All its words."""
        return " · ".join(f"{column} {value}".strip() for column, value in self.cells)

    def said(self, columns: Sequence[int] = (), key: int = 0) -> str:
        """Return the row as a sentence: the cell that names it, then those at `columns`, or all others."""
        chosen = [index for index in (columns or range(len(self.cells))) if index != key]
        name = self.cells[key][1]
        if not chosen:
            column = self.cells[key][0]
            return f"{column}{colon(self.text)}{name}" if column else name
        if not _has_letters(name):  # an amount or a date names nothing
            cells = [_said_cell(*self.cells[index]) for index in sorted({key, *chosen})]
            return _separator(self.text, cells).join(cells)
        if len(self.cells) == 2 and _has_letters(self.cells[chosen[0]][1]):
            return f"{name}{colon(self.text)}{self.cells[chosen[0]][1]}"
        rest = [_said_cell(*self.cells[index]) for index in chosen]
        return f"{name}{colon(self.text)}{_separator(self.text, rest).join(rest)}"


def colon(text: str) -> str:
    """Return a colon as the language of `text` sets it: French puts a space before it."""
    return " : " if any(letter in "éèàùçêîôûœ" for letter in text.casefold()) or _FRENCH.search(text) else ": "


def _separator(text: str, cells: Sequence[str]) -> str:
    lists = any("," in cell or "،" in cell for cell in cells)
    if _ARABIC.search(text):
        return "؛ " if lists else "، "
    return "; " if lists and colon(text) == ": " else " ; " if lists else ", "


_ARABIC = re.compile(r"[\u0621-\u064a]")
_FRENCH = re.compile(
    r"\b(?:rue|adresse|le|la|les|des|du|de|et|prix|par|jour|jours|mois|dh|pour|sur|à|en|un|une)\b", re.IGNORECASE
)


def _said_cell(column: str, value: str) -> str:
    unit = _UNIT.match(column)
    if unit and _NUMERIC.match(value):
        column, value = unit[1], f"{value} {unit[2].strip()}"
    elif unit and value.endswith(unit[2].strip()):
        column = unit[1]
    if not column:
        return value
    if value.casefold() in _TRUTH or column[-1].isdigit() or column.endswith(("+", "-")):
        return f"{column} ({value})"
    return f"{column} {value}"


def rows_of(lines: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a Markdown table, its header's names beside their cells. An empty first cell repeats."""
    table = [_cells(line) for line in lines if not _SEPARATOR.match(line)]
    if len(table) < 2 or (len(table) == len(lines) and not _looks_like_a_header(table)):
        yield from (row for cells in table if (row := _row([""] * len(cells), cells)))
        return
    header, above = table[0], ""
    for cells in table[1:]:
        if cells and not cells[0]:
            cells[0] = above
        above = cells[0] if cells else above
        if row := _row(header, cells):
            yield row


def _looks_like_a_header(table: Sequence[Sequence[str]]) -> bool:
    """Without a line below it, a header is told by its names: no digits, where the rows have some."""
    numbers = [any(letter.isdigit() for cell in row for letter in cell) for row in table]
    return all(table[0]) and not numbers[0] and sum(numbers[1:]) * 2 > len(numbers) - 1


def _cells(line: str) -> list[str]:
    inside = line.strip().removeprefix("|")
    inside = inside[:-1] if inside.endswith("|") and not inside.endswith("\\|") else inside
    return [plain(cell.replace("\\|", "|").strip()) for cell in _CELL.split(inside)]


def _row(header: Sequence[str], cells: Sequence[str]) -> Row | None:
    columns = [*header, *[""] * max(0, len(cells) - len(header))]
    filled = tuple((column, value) for column, value in zip(columns, cells, strict=False) if value)
    return Row(filled) if filled else None


def _has_letters(text: str) -> bool:
    return any(letter.isalpha() for letter in text)


def record(lines: Sequence[str]) -> list[Row]:
    """Return the rows of lines such as `Adresse: 12, rue …`, a row each, and none where they are anything else."""
    members = [_MEMBER.match(line) for line in lines]
    found = [(plain(member[1]), plain(member[2])) for member in members if member]
    if len(found) < len(lines) or len(found) < 2 or any(len(value) > _MAX_LETTERS_OF_A_CELL for _, value in found):
        return []
    return [Row((("", name), ("", value))) for name, value in found]


def row_of_cells(lines: Sequence[str]) -> Row | None:
    """Return the row whose cells stand on a line each, `column: value` or a value alone."""
    members = [(line, _MEMBER.match(line)) for line in lines]
    cells = [(plain(member[1]), plain(member[2])) if member else ("", plain(line)) for line, member in members]
    return Row(tuple(_name_first(cells))) if cells else None


def _name_first(cells: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The name of a row is its first cell of words."""
    name = next((cell for cell in cells if _has_letters(cell[1]) and len(cell[1]) <= _MAX_LETTERS_OF_A_NAME), cells[0])
    return [name, *(cell for cell in cells if cell is not name)]
