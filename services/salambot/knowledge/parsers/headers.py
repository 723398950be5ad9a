"""Find the header of a table: what the file marks as one, else a row of names above rows of values."""

import re
from collections.abc import Sequence
from itertools import pairwise

from salambot.knowledge.parsers.cells import Cell, Grid, Row, filled, is_question
from salambot.language.detection import fold_latin
from salambot.language.normalisation import normalise

_MAX_LABEL = 60
"""Characters of a column's name."""
_LOOK_BELOW = 12
_YEAR = re.compile(r"(?:19|20|21)\d\d")
_NO_LABEL = re.compile(r"@|https?:|\.$|\d{4,}")
_FIELDS = frozenset(
    [
        "adresse",
        "address",
        "tel",
        "telephone",
        "phone",
        "mobile",
        "gsm",
        "fax",
        "whatsapp",
        "email",
        "e-mail",
        "mail",
        "courriel",
        "site",
        "web",
        "horaire",
        "horaires",
        "hours",
        "nom",
        "name",
        "raison",
        "ville",
        "city",
        "ice",
        "rc",
        "patente",
        "rib",
        "iban",
        "facebook",
        "instagram",
        "contact",
        "directeur",
        "gerant",
        "capital",
        "siege",
        "العنوان",
        "عنوان",
        "الهاتف",
        "هاتف",
        "البريد",
        "الموقع",
        "المدينه",
        "الاسم",
        "اوقات",
        "واتساب",
        "الفاكس",
    ]
)
"""What a list of particulars (a contact sheet) has in its first column."""


def header_depth(rows: Grid, at: int, *, strict: bool = False) -> int:
    """Return how many rows from `at` on are the header, at most 3. `strict` asks for evidence, not only for looks."""
    below = [row for row in rows[at + 1 : at + 1 + _LOOK_BELOW] if len(filled(row)) > 1]
    if not below or not filled(rows[at]):
        return 0
    is_marked = _is_marked(rows[at], below)
    if _names_its_row(rows[at], below) or (not is_marked and is_list_of_particulars([rows[at], *below])):
        return 0
    if not is_marked and not _looks_like_header(rows[at], below, strict=strict):
        return 0
    depth = 1
    while (
        depth < 3 and at + depth + 1 < len(rows) and _continues(rows[at + depth - 1], rows[at + depth], below[depth:])
    ):
        depth += 1
    return depth


def is_marked_header(rows: Grid, at: int) -> bool:
    """True for a row of names that is marked as a whole, above rows that are not and hold numbers."""
    below = [row for row in rows[at + 1 : at + 1 + _LOOK_BELOW] if len(filled(row)) > 1]
    return bool(below) and _is_marked(rows[at], below) and _has_contrast(rows[at], below)


def labels(header: Grid) -> list[str]:
    """Return the name of each column: the lines of its header joined, what spans several columns in each of them."""
    lines = [
        _fill_right(line, header[number + 1] if number + 1 < len(header) else ()) for number, line in enumerate(header)
    ]
    names = []
    for column in range(len(header[0])):
        parts = dict.fromkeys(line[column].text.rstrip(" :") for line in lines if line[column].text)
        names.append(", ".join(part.replace("\n", " ") for part in parts))
    return names


def is_list_of_particulars(rows: Grid) -> bool:
    """True for two columns of which the first names and the second tells: an address, a telephone number."""
    if any(len(filled(row)) > 2 for row in rows):
        return False
    names = [row[0].text for row in rows if len(filled(row)) > 1]
    known = len({name for name in names if _is_field(name)})
    ended = sum(name.endswith(":") for name in names)
    return max(known, ended) * 2 > len(names) and max(known, ended) > 1


def _is_field(name: str) -> bool:
    words = re.findall(r"[\w-]+", _plain(name))
    return len(words) < 4 and not _FIELDS.isdisjoint(words) and not any(word.isdigit() for word in words)


def _plain(text: str) -> str:
    return fold_latin(normalise(text))


def _is_marked(row: Row, below: Sequence[Row]) -> bool:
    """True for a row that is marked as a whole, above some that are not."""
    return _all_marked(row) and not all(map(_all_marked, below))


def _names_its_row(row: Row, below: Sequence[Row]) -> bool:
    """True where the file marks the first cell of this and most other rows, and not the rest: names of rows."""
    rows = [line for line in (row, *below) if line[0].text]
    named = [line for line in rows if line[0].is_header and not any(cell.is_header for cell in filled(line)[1:])]
    return bool(row[0].text) and row in named and len(named) * 10 > len(rows) * 8


def _all_marked(row: Row) -> bool:
    return all(cell.is_header for cell in filled(row))


def _looks_like_header(row: Row, below: Sequence[Row], *, strict: bool) -> bool:
    names = filled(row)
    most = max(len(filled(line)) for line in below)
    is_sparse = len(names) * 2 < most and not _is_completed_by(row, below)
    if len(names) < 2 or is_sparse or not all(_is_label(cell, row) for cell in names):
        return False
    if len({cell.text for cell in names}) < len(names):
        return False
    if _has_contrast(row, below):
        return True
    return not strict and not _is_more_of_the_same(row, below)


def _is_label(cell: Cell, row: Row) -> bool:
    if cell.is_number:
        return bool(_YEAR.fullmatch(cell.text)) and not row[0].is_number
    return len(cell.text) <= _MAX_LABEL and not _NO_LABEL.search(cell.text) and not is_question(cell.text)


def _has_contrast(row: Row, below: Sequence[Row]) -> bool:
    """True if some column has a name above numbers."""
    for column, cell in enumerate(row):
        values = [line[column] for line in below if line[column].text]
        if cell.text and not cell.is_number and values and sum(value.is_number for value in values) * 2 > len(values):
            return True
    return False


def _is_more_of_the_same(row: Row, below: Sequence[Row]) -> bool:
    """True if a cell says what a cell below it says."""
    return any(
        cell.text and any(line[column].text == cell.text and line[column] is not cell for line in below)
        for column, cell in enumerate(row)
    )


def _continues(line: Row, following: Row, below: Sequence[Row]) -> bool:
    """True if `following` is one more line of the header that `line` belongs to."""
    names = filled(following)
    if not below or not names:
        return False
    pairs = list(zip(line, following, strict=True))
    if any(above is cell and above.text for above, cell in pairs):
        return True  # a cell of the header that is merged downwards
    if _all_marked(line) and _all_marked(following) and not all(map(_all_marked, below)):
        return True
    if any(cell.is_number and not cell.is_header for cell in names) and following[0].text:
        return False
    holes = any(not above.text and cell.text for above, cell in pairs)
    gaps = any(above.text and not cell.text for above, cell in pairs)
    spans = any(cell.text and cell is after for cell, after in pairwise(line))
    return spans or (holes and (gaps or _is_completed_by(line, [following, *below])))


def _is_completed_by(line: Row, below: Sequence[Row]) -> bool:
    """True if the next line names the columns that this one leaves open, above values."""
    following, *values = below
    names = filled(following)
    is_sparse = len(filled(line)) * 2 <= len(names)
    return is_sparse and bool(values) and not any(cell.is_number for cell in names) and _has_contrast(following, values)


def _fill_right(line: Row, following: Row) -> list[Cell]:
    """Spread a name over the columns to its right that are blank in its line and named in the next."""
    spread: list[Cell] = []
    for column, cell in enumerate(line):
        is_hole = not cell.text and spread and following and following[column].text
        spread.append(spread[-1] if is_hole else cell)
    return spread
