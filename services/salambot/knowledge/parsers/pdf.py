"""PDF: the text of its pages, one section a page."""

import io

from pypdf import PdfReader

from salambot.knowledge.parsers.base import Document, Section, UnreadableDocumentError

MAX_PAGES = 2000


def parse(_: str, content: bytes) -> Document:
    """Return one section a page. A scan has no text: it would need character recognition."""
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableDocumentError("encrypted")
    if len(reader.pages) > MAX_PAGES:
        raise UnreadableDocumentError(f"more than {MAX_PAGES} pages")
    pages = [(page.extract_text() or "").strip() for page in reader.pages]
    title = str(reader.metadata.title or "").strip() if reader.metadata else ""
    if not any(pages):
        raise UnreadableDocumentError("no text in it: scanned pages need character recognition first")
    return Document(title, tuple(Section((), page) for page in pages if page))
