"""Plain text: one section."""

from salambot.documents.base import Document, Section, decode, title_of_name


def parse(name: str, content: bytes) -> Document:
    """Return the text as one section, titled by the file's name."""
    return Document(title_of_name(name), (Section((), decode(content).strip()),))
