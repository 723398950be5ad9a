"""CSV as Excel, other programs and people write it: comma, semicolon, tab or bar, in whatever charset."""

import re
from collections import Counter
from collections.abc import Iterator
from csv import Error, field_size_limit, reader

from salambot.knowledge.parsers.base import Document, UnreadableDocumentError
from salambot.knowledge.parsers.cells import Cell, text_cell
from salambot.knowledge.parsers.encoding import decode
from salambot.knowledge.parsers.tables import read_table

_DELIMITERS = ";,\t|"
_SEPARATOR_LINE = re.compile(r'\A\s*"?sep=(.)"?[ \t]*\n', re.IGNORECASE)
_SAMPLE_LINES = 30
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_MAX_FIELD = 1_000_000
_BACKSLASHED = re.compile(r"""(?m)(?:^|[,;\t|])[ ]*"[^"\n]*\\"[^,;\t|\n"]""")
"""A quote inside a quoted cell as MySQL and many scripts write it; `"C:\\";` ends in a backslash of its own."""


def parse(_: str, content: bytes) -> Document:
    """Return a section a row."""
    text = decode(content)
    if _BACKSLASHED.search(text):
        text = text.replace('\\"', '""')
    delimiter = ""
    if named := _SEPARATOR_LINE.match(text):
        delimiter, text = named[1], text[named.end() :]
    delimiter = delimiter or find_delimiter(text)
    field_size_limit(_MAX_FIELD)
    try:
        grid = list(_rows(text, delimiter))
    except Error as error:
        raise UnreadableDocumentError("damaged CSV") from error
    return Document("", tuple(read_table(grid)))


def find_delimiter(text: str) -> str:
    """Return what separates the columns: the character that occurs outside quotes in most lines, as often in each."""
    lines = [line for line in _QUOTED.sub('""', text[:65536]).split("\n") if line.strip()][:_SAMPLE_LINES]
    scores = {delimiter: _regularity([line.count(delimiter) for line in lines]) for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: scores[delimiter])
    if scores[best] <= 0 and len(lines) < 2:
        raise UnreadableDocumentError("no header line with separated columns")
    return best  # of none at all, the lines are a single column


def _regularity(counts: list[int]) -> float:
    """Score a delimiter: the share of lines that have the usual number of it, more for more columns."""
    usual, lines = Counter(count for count in counts if count).most_common(1)[0] if any(counts) else (0, 0)
    return lines / len(counts) + min(usual, 20) / 1000 if usual else 0


def _rows(text: str, delimiter: str) -> Iterator[list[Cell]]:
    """Split at `\\n` only: U+2028 and U+0085 are characters of a cell."""
    lines = (f"{line}\n" for line in text.split("\n"))
    for row in reader(lines, delimiter=delimiter, skipinitialspace=True):
        yield [text_cell(value) for value in row]
