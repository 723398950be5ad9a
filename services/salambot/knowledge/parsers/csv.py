"""CSV with a header line; comma, semicolon or tab."""

from csv import DictReader, Error, Sniffer

from salambot.knowledge.parsers import tables
from salambot.knowledge.parsers.base import Document, UnreadableDocumentError, decode


def parse(_: str, content: bytes) -> Document:
    """Return a section a row."""
    text = decode(content)
    try:
        dialect = Sniffer().sniff(text[:8192].split("\n", 1)[0], delimiters=",;\t")
    except Error as error:
        raise UnreadableDocumentError("no header line with separated columns") from error
    dialect.doublequote = True
    reader = DictReader(text.splitlines(keepends=True), dialect=dialect, restkey="", restval="")
    rows = ({column or "": str(value) for column, value in row.items() if column} for row in reader)
    try:
        return tables.document(rows)
    except Error as error:
        raise UnreadableDocumentError("damaged CSV") from error
