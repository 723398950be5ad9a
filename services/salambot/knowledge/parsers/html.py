"""HTML: the text a reader came for, without menus and banners, as Markdown with its headings and tables."""

import re
from dataclasses import replace

import trafilatura

from salambot.knowledge.parsers import markdown
from salambot.knowledge.parsers.base import Document, UnreadableDocumentError, decode

_TITLE = re.compile(r"<title[^>]*>\s*([^<]{1,300}?)\s*</title>", re.IGNORECASE)


def parse(name: str, content: bytes) -> Document:
    """Return the sections of the page's main content."""
    page = decode(content)
    text = trafilatura.extract(page, output_format="markdown", include_tables=True, favor_recall=True)
    if not text:
        raise UnreadableDocumentError("no readable text in the page")
    document = markdown.parse(name, text.encode())
    title = _TITLE.search(page)
    return replace(document, title=title[1]) if title else document
