"""JSON Lines: an object a line."""

import json
from collections.abc import Iterator, Mapping

import orjson

from salambot.knowledge.parsers.base import Document, Section, UnreadableDocumentError
from salambot.knowledge.parsers.cells import without_tags
from salambot.knowledge.parsers.encoding import decode
from salambot.knowledge.parsers.faq_columns import find_faq_columns
from salambot.knowledge.parsers.tables import MAX_ROWS, faq_sections, row_section

_MAX_DEPTH = 4


def parse(_: str, content: bytes) -> Document:
    """Return a section an object; the members of a nested object are named by their path."""
    return Document("", tuple(_sections(decode(content))))


def _sections(text: str) -> Iterator[Section]:
    for number, row in enumerate(_objects(text)):
        if number >= MAX_ROWS:
            raise UnreadableDocumentError(f"more than {MAX_ROWS} rows")
        cells = dict(_cells(row, "", _MAX_DEPTH))
        names, values = list(cells), list(cells.values())
        if (columns := find_faq_columns(names)) is not None:
            yield from faq_sections(columns, names, values, ())
        elif (section := row_section((), list(cells.items()))) is not None:
            yield section


def _objects(text: str) -> Iterator[dict[str, object]]:
    """Return the objects, one a line, or of the single array or object that programs write in place of lines."""
    for number, row in _rows(text):
        if not isinstance(row, dict):
            raise UnreadableDocumentError(f"line {number} is not an object")
        yield row


def _rows(text: str) -> Iterator[tuple[int, object]]:
    """Split at `\\n` only: U+2028 may stand in a string as it is. A comma may end a line."""
    if text.lstrip()[:1] in {"[", "{"} and (whole := _load(text)) is not None:
        yield from enumerate(whole if isinstance(whole, list) else [whole], 1)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if (row := _load(line.strip().removesuffix(","))) is None:
            raise UnreadableDocumentError(f"line {number} is not JSON")
        yield number, row


def _load(text: str) -> object:
    """Return a value, None where there is none; half a surrogate pair and NaN, which orjson refuses, are read too."""
    try:
        return orjson.loads(text.encode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _cells(row: Mapping[str, object], path: str, depth: int) -> Iterator[tuple[str, str]]:
    for key, value in row.items():
        name = f"{path} {key}".strip()
        if isinstance(value, dict) and depth:
            yield from _cells(value, name, depth - 1)
        elif value is not None and value != "" and value != []:
            yield name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, str):
        return without_tags(value)
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return ", ".join(map(_text, value))
    return json.dumps(value, ensure_ascii=False)
