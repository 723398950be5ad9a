"""JSON Lines: an object a line."""

from collections.abc import Iterator

import orjson

from salambot.documents import table
from salambot.documents.base import Document, Unreadable, decode


def parse(_: str, content: bytes) -> Document:
    """Return a section an object; nested members stand as JSON."""
    return table.document(_rows(decode(content)))


def _rows(text: str) -> Iterator[dict[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise Unreadable(f"line {number} is not JSON") from error
        if not isinstance(row, dict):
            raise Unreadable(f"line {number} is not an object")
        yield {key: _cell(value) for key, value in row.items() if value is not None}


def _cell(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
