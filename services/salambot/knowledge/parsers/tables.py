"""Rows with a question and an answer, or any columns: one section a row (CSV, JSON Lines, XLSX)."""

from collections.abc import Iterable, Mapping

from salambot.knowledge.parsers.base import Document, Section, UnreadableDocumentError

MAX_ROWS = 100_000
QUESTION = frozenset({"question", "q", "titre", "title", "السؤال", "سؤال", "so2al"})
ANSWER = frozenset({"answer", "a", "réponse", "reponse", "text", "texte", "الجواب", "جواب", "jawab"})


def document(rows: Iterable[Mapping[str, str]]) -> Document:
    """Make a section of each row: its question is the heading; without one, each cell stands with its column."""
    sections = []
    for number, row in enumerate(rows):
        if number >= MAX_ROWS:
            raise UnreadableDocumentError(f"more than {MAX_ROWS} rows")
        cells = {column.strip(): value.strip() for column, value in row.items() if value and value.strip()}
        if cells:
            sections.append(_section(cells))
    return Document("", tuple(sections))


def _section(cells: Mapping[str, str]) -> Section:
    question = next((value for column, value in cells.items() if column.casefold() in QUESTION), None)
    answer = next((value for column, value in cells.items() if column.casefold() in ANSWER), None)
    if question and answer:
        return Section((question,), answer)
    return Section((), "\n".join(f"{column}: {value}" for column, value in cells.items()))
