"""PDF: headings by their size, paragraphs, lists and tables; without what stands on every page."""

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pdfplumber
from pdfminer.pdfdocument import PDFPasswordIncorrect
from pdfminer.pdfparser import PDFSyntaxError
from pdfplumber.utils.exceptions import PdfminerException

from salambot.knowledge.parsers.base import Document, UnreadableDocumentError
from salambot.knowledge.parsers.blocks import Heading, read_blocks
from salambot.knowledge.parsers.pdf_blocks import Furniture, read_items
from salambot.knowledge.parsers.pdf_layout import Item, read_page

MAX_PAGES = 2000
_NO_TITLE = re.compile(
    r"(?:microsoft \w+ - .*|document\d*|untitled.*|sans titre.*|print|.*\.(?:docx?|xlsx?|pptx?|pdf|html?|odt|indd|md)|"
    r"about:blank|https?://.*|file:.*|\(anonymous\)|anonymous|unspecified|\W*)",
    re.IGNORECASE,
)


def parse(_: str, content: bytes) -> Document:
    """Return the sections below their headings. A scan has no text: it would need character recognition."""
    try:
        with pdfplumber.open(io.BytesIO(content)) as book:
            if len(book.pages) > MAX_PAGES:
                raise UnreadableDocumentError(f"more than {MAX_PAGES} pages")
            pages = [_read(page, number) for number, page in enumerate(book.pages)]
            title = _stated_title(book.metadata)
            sizes = [(page.width, page.height) for page in book.pages]
    except (PdfminerException, PDFPasswordIncorrect, PDFSyntaxError) as error:
        cause = error.args[0] if error.args else error
        raise UnreadableDocumentError(
            "encrypted" if isinstance(cause, PDFPasswordIncorrect) else "not what its name says, or damaged"
        ) from error
    return _document(title, pages, sizes)


def _read(page: Any, number: int) -> list[Item]:  # noqa: ANN401 - pdfplumber has no types
    try:
        return read_page(page, number)
    finally:
        page.close()  # each page keeps what it parsed


def _document(title: str, pages: list[list[Item]], sizes: Sequence[tuple[float, float]]) -> Document:
    if not any(pages):
        raise UnreadableDocumentError("no text in it: scanned pages need character recognition first")
    furniture = Furniture(pages, [height for _, height in sizes])
    blocks = list(read_items([item for page in pages for item in page if not furniture.holds(item)]))
    if not title:
        largest = [block for block in blocks if isinstance(block, Heading) and block.level == 1]
        title = largest[0].text if len(largest) == 1 and largest[0] in blocks[:2] else ""
    return Document(title, tuple(read_blocks(blocks, title)), warnings=tuple(_warnings(pages)))


def _stated_title(metadata: dict[str, Any]) -> str:
    title = metadata.get("Title")
    text = " ".join(str(title).split()) if isinstance(title, str) else ""
    return "" if _NO_TITLE.fullmatch(text) else text


def _warnings(pages: list[list[Item]]) -> Iterator[str]:
    empty = [number for number, page in enumerate(pages, 1) if not page]
    if empty:
        numbers = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
        yield f"{len(empty)} of {len(pages)} pages without text ({numbers}): scans need character recognition first"
