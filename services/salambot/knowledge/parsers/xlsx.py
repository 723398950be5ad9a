"""XLSX: what the visible sheets show, merged cells in each of their places."""

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias
from zipfile import ZipFile

from openpyxl import load_workbook
from openpyxl.utils import range_boundaries

from salambot.knowledge.parsers.archives import open_office, rewrite
from salambot.knowledge.parsers.base import Document, Section
from salambot.knowledge.parsers.cells import EMPTY, Cell, text_cell
from salambot.knowledge.parsers.number_formats import show
from salambot.knowledge.parsers.tables import read_table
from salambot.language.detection import detect

_PLAIN_SHEET_NAMES = ("feuil", "feuille", "sheet", "tabelle", "hoja", "ورقة", "table", "page")
"""What programs call a sheet that nobody named, before its number."""
_MAX_STYLED_BYTES = 40 * 1024 * 1024
"""Unpacked bytes of the sheets up to which styles, merged and hidden cells are read: that takes fifty times as much."""
_SAMPLE_CELLS = 200
_RULES = re.compile(rb"(</(?:\w+:)?sheetData>).*(?=</(?:\w+:)?worksheet>)", re.DOTALL)
"""What follows the values of a sheet: merged cells, filters, validations, drawings."""
_STYLE = re.compile(rb"(<(?:\w+:)?(?:c|row|col)\b[^>]*?) (?:s|style)=\"\d+\"")

Book: TypeAlias = Any
Sheet: TypeAlias = Any
SheetCell: TypeAlias = Any
"""openpyxl has no types."""
Place = tuple[int, int]


def parse(_: str, content: bytes) -> Document:
    """Return a section a row, values as the sheet shows them."""
    content = open_office(content)
    size, has_formulas = _survey(content)
    warnings: list[str] = []
    book, is_whole = _load(content, size > _MAX_STYLED_BYTES, warnings)
    try:
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        warnings += _hidden_sheets(book)
        language = _language_of(sheets)
        missing = _formulas_without_result(content, sheets) if has_formulas and is_whole else {}
        warnings += _formula_warnings(missing)
        sections = tuple(section for sheet in sheets for section in _read_sheet(sheet, language, warnings))
        return Document(str(book.properties.title or "").strip(), sections, warnings=tuple(warnings))
    finally:
        book.close()


def _load(content: bytes, is_large: bool, warnings: list[str]) -> tuple[Book, bool]:
    """Return the workbook, and whether all of it was read.

    openpyxl refuses a file for one odd rule, property or style in it, with whatever error: the values are read without.
    """
    try:
        return load_workbook(io.BytesIO(content), read_only=is_large, data_only=True), True
    except Exception:  # noqa: BLE001 - see above; what is wrong with the values themselves is raised by the last try
        warnings.append("merged cells, rules and properties cannot be read")
    plain = rewrite(content, _without_rules)
    try:
        return load_workbook(io.BytesIO(plain), read_only=is_large, data_only=True), False
    except Exception:  # noqa: BLE001 - see above
        warnings.append("formats cannot be read: values are shown as they are stored")
    plain = rewrite(plain, _without_styles)
    return load_workbook(io.BytesIO(plain), read_only=is_large, data_only=True), False


def _without_rules(name: str, part: bytes) -> bytes | None:
    if name.startswith(("docProps/", "xl/externalLinks/")):
        return None
    return _RULES.sub(rb"\1", part) if "worksheets/" in name else part


def _without_styles(name: str, part: bytes) -> bytes | None:
    if name == "xl/styles.xml":
        return None
    return _STYLE.sub(rb"\1", part) if "worksheets/" in name else part


def _survey(content: bytes) -> tuple[int, bool]:
    """Return the size of all sheets, and whether any has a formula."""
    with ZipFile(io.BytesIO(content)) as archive:
        sheets = [item for item in archive.infolist() if "worksheets/sheet" in item.filename]
        size = sum(item.file_size for item in sheets)
        return size, size <= _MAX_STYLED_BYTES and any(b"<f" in archive.read(item) for item in sheets)


def _hidden_sheets(book: Book) -> Iterator[str]:
    hidden = [sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible"]
    if hidden:
        yield f"left out hidden sheets: {', '.join(hidden)}"


def _language_of(sheets: list[Sheet]) -> str:
    texts = [str(cell.value) for sheet in sheets for cell in _cells(sheet).values() if isinstance(cell.value, str)]
    return detect(" ".join(texts[:_SAMPLE_CELLS]), "fr-MA")


def _cells(sheet: Sheet) -> Mapping[Place, Any]:
    """Return the cells that are there, by row and column: `iter_rows` would make a whole rectangle of them."""
    if not hasattr(sheet, "reset_dimensions"):
        return dict(sorted(sheet._cells.items()))  # noqa: SLF001 - see above
    sheet.reset_dimensions()  # what the file states may be wrong
    return {(cell.row, cell.column): cell for row in sheet.iter_rows() for cell in row if cell.value is not None}


def _formulas_without_result(content: bytes, sheets: list[Sheet]) -> dict[str, list[Any]]:
    """Return, by sheet, the formulas whose value the program that wrote the file did not store."""
    formulas = load_workbook(io.BytesIO(content))
    missing = {}
    for sheet in sheets:
        values = _cells(sheet)
        found = [
            cell
            for place, cell in _cells(formulas[sheet.title]).items()
            if cell.data_type == "f" and values[place].value is None
        ]
        if found:
            missing[sheet.title] = found
    return missing


def _formula_warnings(missing: Mapping[str, list[Any]]) -> Iterator[str]:
    for title, cells in missing.items():
        shown = ", ".join(cell.coordinate for cell in cells[:3]) + (", …" if len(cells) > 3 else "")
        yield (
            f"sheet {title}: {len(cells)} formulas without a stored result ({shown}): "
            "open the file in Excel or LibreOffice and save it"
        )


def _read_sheet(sheet: Sheet, language: str, warnings: list[str]) -> Iterator[Section]:
    cells = _cells(sheet)
    visible = {place: cell for place, cell in cells.items() if not _is_hidden(sheet, place)}
    errors = [cell.coordinate for cell in visible.values() if cell.data_type == "e"]
    if errors:
        warnings.append(f"sheet {sheet.title}: errors in {', '.join(errors[:3])} left out")
    if len(visible) < len(cells):
        warnings.append(f"sheet {sheet.title}: hidden rows or columns left out")
    marked = _marked_rows(sheet)
    shown = {place: _shown(cell, language, place[0] in marked) for place, cell in visible.items()}
    name = () if _is_plain_name(sheet.title) else (sheet.title.strip(),)
    yield from read_table(_grid(_spread_merged(sheet, shown)), name)


def _is_plain_name(title: str) -> bool:
    return title.strip().lower().rstrip("0123456789 ()") in _PLAIN_SHEET_NAMES


def _is_hidden(sheet: Sheet, place: Place) -> bool:
    if not hasattr(sheet, "row_dimensions"):
        return False
    row = sheet.row_dimensions.get(place[0])
    hidden_row = row is not None and (row.hidden or row.ht == 0)
    return bool(hidden_row) or any(
        column.hidden and (column.min or 0) <= place[1] <= (column.max or 0)
        for column in sheet.column_dimensions.values()
    )


def _marked_rows(sheet: Sheet) -> set[int]:
    """Return the rows that the sheet itself treats as headers: of tables, of a filter, the last one that is frozen."""
    rows = {
        range_boundaries(table.ref)[1] for table in getattr(sheet, "tables", {}).values() if table.headerRowCount != 0
    }
    if (filtered := getattr(sheet, "auto_filter", None)) is not None and filtered.ref:
        rows.add(range_boundaries(filtered.ref)[1])
    if frozen := getattr(sheet, "freeze_panes", None):
        rows.add(range_boundaries(frozen)[1] - 1)
    return rows


def _shown(cell: SheetCell, language: str, is_marked: bool) -> Cell:
    value = cell.value
    if value is None or cell.data_type == "e":
        return EMPTY
    is_bold = bool(cell.font and cell.font.b)
    if isinstance(value, str):
        shown = show(value.replace("_x000D_", ""), cell.number_format or "General")
        return text_cell(shown, is_header=is_marked or is_bold)
    text = show(value, cell.number_format or "General", language)
    return Cell(text, is_marked or is_bold, is_number=not isinstance(value, bool)) if text else EMPTY


def _spread_merged(sheet: Sheet, cells: dict[Place, Cell]) -> dict[Place, Cell]:
    """Put a merged cell into each place it covers, as far as the sheet has cells."""
    rows, columns = sorted({row for row, _ in cells}), sorted({column for _, column in cells})
    for merged in getattr(getattr(sheet, "merged_cells", None), "ranges", ()):
        left, top, right, bottom = merged.bounds
        if (cell := cells.get((top, left))) is None or not cell.text:
            continue
        for row in (row for row in rows if top <= row <= bottom):
            cells |= {(row, column): cell for column in columns if left <= column <= right}
    return cells


def _grid(cells: Mapping[Place, Cell]) -> list[list[Cell]]:
    """Return rows of equal width; of blank rows and columns in between, one is kept."""
    rows, columns = _without_gaps({row for row, _ in cells}), _without_gaps({column for _, column in cells})
    return [[cells.get((row, column), EMPTY) for column in columns] for row in rows]


def _without_gaps(numbers: set[int]) -> list[int]:
    """Return the numbers in order, with one that is not among them wherever some are missing."""
    kept: list[int] = []
    for number in sorted(numbers):
        if kept and number > kept[-1] + 1:
            kept.append(number - 1)
        kept.append(number)
    return kept
