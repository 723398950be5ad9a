"""DOCX: its headings, lists and tables, by way of HTML."""

import io

import mammoth

from salambot.knowledge.parsers import html
from salambot.knowledge.parsers.archives import refuse_bombs
from salambot.knowledge.parsers.base import Document, UnreadableDocumentError


def parse(name: str, content: bytes) -> Document:
    """Return the sections below their headings."""
    refuse_bombs(content)
    page = mammoth.convert_to_html(io.BytesIO(content), convert_image=mammoth.images.img_element(_no_image)).value
    if not page.strip():
        raise UnreadableDocumentError("no text in it")
    return html.parse(name, f"<html><body><main>{page}</main></body></html>".encode())


def _no_image(_: object) -> dict[str, str]:
    return {}
