"""Plain text: one section."""

from salambot.knowledge.parsers.base import Document, Section, decode


def parse(_: str, content: bytes) -> Document:
    """Return the text as one section."""
    return Document("", (Section((), decode(content).strip()),))
