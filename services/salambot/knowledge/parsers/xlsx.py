"""XLSX: every sheet whose first row names the columns."""

import io
from collections.abc import Iterator

from openpyxl import load_workbook

from salambot.knowledge.parsers import tables
from salambot.knowledge.parsers.archives import refuse_bombs
from salambot.knowledge.parsers.base import Document


def parse(_: str, content: bytes) -> Document:
    """Return a section a row, formulas by their last result."""
    refuse_bombs(content)
    return tables.document(_rows(content))


def _rows(content: bytes) -> Iterator[dict[str, str]]:
    workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        for sheet in workbook.worksheets:
            rows = sheet.iter_rows(values_only=True)
            columns = ["" if cell is None else str(cell) for cell in next(rows, ())]
            for row in rows:
                cells = zip(columns, row, strict=False)
                yield {column: str(value) for column, value in cells if column and value is not None}
    finally:
        workbook.close()
