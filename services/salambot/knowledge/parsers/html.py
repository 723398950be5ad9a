"""HTML: what a reader of the page reads, without menus and banners, with its headings, questions and tables."""

import re
from collections.abc import Iterator
from email import message_from_bytes

from lxml import etree, html
from lxml.html import HtmlElement

from salambot.knowledge.parsers.base import Document, UnreadableDocumentError
from salambot.knowledge.parsers.blocks import Heading, Paragraph, read_blocks
from salambot.knowledge.parsers.encoding import decode
from salambot.knowledge.parsers.html_blocks import read_element
from salambot.knowledge.parsers.json_ld import find_faq

_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"\A\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([\w-]+)", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_NO_TITLE = re.compile(
    r"(?:document\d*|untitled.*|sans titre.*|index|home|accueil|page d.accueil|nouvel onglet|.*\.\w{3,4})",
    re.IGNORECASE,
)
_HEAD_BYTES = 4096
_ARCHIVE = re.compile(rb"(?ims)\A[a-z-]+:.*?^Content-Type:\s*multipart/(?:related|mixed|alternative)\b")


def parse(_: str, content: bytes) -> Document:
    """Return the sections of the page's main content."""
    charset = ""
    if _ARCHIVE.search(content[:_HEAD_BYTES]):
        content, charset = _page_of_archive(content)
    head = content[:_HEAD_BYTES]
    declared = _XML_CHARSET.search(head) or _CHARSET.search(head)
    page = decode(content, charset or (declared[1].decode() if declared else ""))
    document = read_page(page)
    if not document.sections:
        raise UnreadableDocumentError("no readable text in the page")
    return document


def _page_of_archive(content: bytes) -> tuple[bytes, str]:
    """Return the page, and its charset, of what browsers and Word save as one file (MHTML): a message of many parts."""
    for part in message_from_bytes(content).walk():
        if part.get_content_type() in {"text/html", "application/xhtml+xml"}:
            page = part.get_payload(decode=True)
            return (page if isinstance(page, bytes) else b""), part.get_content_charset("")
    raise UnreadableDocumentError("an archive of a page without the page")


def read_page(page: str) -> Document:
    """Return the sections of a page that is text already."""
    try:
        root = html.document_fromstring(_XML_DECLARATION.sub("", page), parser=_parser())
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableDocumentError("no readable text in the page") from error
    faq = list(find_faq(root))
    blocks = list(read_element(_main_content(root)))
    title = _title(root)
    first = next((block.text for block in blocks if isinstance(block, Heading) and block.level == 1), "")
    if not title or _NO_TITLE.fullmatch(title):
        title = first or title
    shown = {_key(block.text) for block in blocks if isinstance(block, Heading | Paragraph)}
    blocks += [
        block for question, answer in faq if _key(question) not in shown for block in _faq_blocks(question, answer)
    ]
    return Document(title, tuple(read_blocks(blocks, title)))


def _parser() -> html.HTMLParser:
    return html.HTMLParser(remove_comments=True, remove_pis=True, huge_tree=False)


def _title(root: HtmlElement) -> str:
    found = root.find(".//title")
    return " ".join((found.text_content() if found is not None else "").split())[:300]


def _main_content(root: HtmlElement) -> HtmlElement:
    """Return the element that the page itself calls its main content, else its body."""
    mains = root.xpath("//main | //*[@role='main']")
    body = root.find("body")
    whole = len(body.text_content()) if body is not None else 0
    if len(mains) == 1 and len(mains[0].text_content().strip()) * 5 > whole - len(_furniture(root)):
        return mains[0]
    return body if body is not None else root


def _furniture(root: HtmlElement) -> str:
    return "".join(item.text_content() for item in root.xpath("//script | //style | //nav | //footer | //noscript"))


def _key(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


def _faq_blocks(question: str, answer: str) -> Iterator[Heading | Paragraph]:
    yield Heading(1, question)
    yield Paragraph(answer)
