"""JSON Lines: an object a line."""

from collections.abc import Iterator

import orjson

from salambot.knowledge.parsers import tables
from salambot.knowledge.parsers.base import Document, UnreadableDocumentError, decode


def parse(_: str, content: bytes) -> Document:
    """Return a section an object; nested members stand as JSON."""
    return tables.document(_rows(decode(content)))


def _rows(text: str) -> Iterator[dict[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UnreadableDocumentError(f"line {number} is not JSON") from error
        if not isinstance(row, dict):
            raise UnreadableDocumentError(f"line {number} is not an object")
        yield {key: _cell(value) for key, value in row.items() if value is not None}


def _cell(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
