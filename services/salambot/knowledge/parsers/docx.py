"""DOCX: its headings, lists, notes and tables, by way of HTML."""

import io
from itertools import chain
from zipfile import ZipFile

import mammoth
from lxml import etree, html

from salambot.knowledge.parsers.archives import open_office, rewrite
from salambot.knowledge.parsers.base import Document, UnreadableDocumentError
from salambot.knowledge.parsers.blocks import Heading, read_blocks
from salambot.knowledge.parsers.html_blocks import read_element

_BODY = "word/document.xml"
_NAMESPACES = {"w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main"}
_STYLES = """
p[style-name='Title'] => h1.title:fresh
p[style-name='Titre'] => h1.title:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name^='Titre 1'] => h1:fresh
p[style-name^='Titre 2'] => h2:fresh
p[style-name^='Titre 3'] => h3:fresh
p[style-name^='toc '] => !
p[style-name='TOC Heading'] => !
strike => s
"""
"""Beside mammoth's own: titles, French names of styles, no table of contents, and struck-out text as such."""


def parse(_: str, content: bytes) -> Document:
    """Return the sections below their headings."""
    visible = io.BytesIO(_without_hidden_text(open_office(content)))
    no_image = mammoth.images.img_element(_no_image)
    page = mammoth.convert_to_html(visible, style_map=_STYLES, convert_image=no_image).value
    if not page.strip():
        raise UnreadableDocumentError("no text in it")
    body = html.fragment_fromstring(page, create_parent="div")
    blocks = list(read_element(body))
    title = _title(body)
    if title:
        blocks = [block for block in blocks if not (isinstance(block, Heading) and block.text == title)]
    return Document(title, tuple(read_blocks(blocks)))


def _title(body: html.HtmlElement) -> str:
    """Return the paragraph in the style of a title, else the only heading of the first level if nothing is above it."""
    titled = body.xpath(".//h1[@class='title']")
    heads = titled or [head for head in chain(body.iter("h1")) if head is body[0] and len(list(body.iter("h1"))) == 1]
    return " ".join(heads[0].text_content().split()) if heads else ""


def _without_hidden_text(content: bytes) -> bytes:
    """Leave out the runs that Word hides: what is in them is not for readers."""
    with ZipFile(io.BytesIO(content)) as archive:
        if _BODY not in archive.namelist() or b"w:vanish" not in archive.read(_BODY):
            return content
        root = etree.fromstring(archive.read(_BODY), etree.XMLParser(resolve_entities=False, no_network=True))
        for run in root.xpath("//w:r[w:rPr/w:vanish[not(@w:val='0' or @w:val='false')]]", namespaces=_NAMESPACES):
            run.getparent().remove(run)
    return rewrite(content, lambda name, part: etree.tostring(root) if name == _BODY else part)


def _no_image(_: object) -> dict[str, str]:
    return {}
