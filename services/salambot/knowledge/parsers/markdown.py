"""Markdown (CommonMark and tables): a section a heading, so that a question and its answer stay together.

Paragraphs and lists stay as they are written; tables become rows, and HTML inside is read as HTML.
"""

import re
from collections.abc import Iterator, Sequence

from lxml import etree, html
from markdown_it import MarkdownIt
from markdown_it.token import Token

from salambot.knowledge.parsers.base import Document, Section
from salambot.knowledge.parsers.blocks import PSEUDO_LEVEL, Block, Heading, Paragraph, Table, read_blocks
from salambot.knowledge.parsers.cells import Cell, text_cell
from salambot.knowledge.parsers.encoding import decode
from salambot.knowledge.parsers.html_blocks import read_element

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)\n\1[ \t]*(?:\n|\Z)", re.DOTALL)
_MEMBER = re.compile(r"^([A-Za-z_][\w-]{0,40})(?::|[ \t]*=)[ \t]*(.{1,200}?)[ \t]*$", re.MULTILINE)
_BOLD_LINE = re.compile(r"(?:\*\*|__)([^*_\n]{2,160})(?:\*\*|__)\s*:?")
_BOLD_QUESTION = re.compile(r"(?:\*\*|__)([^*_\n]{2,160}[?؟])\s*(?:\*\*|__)\s*:?[ \t]*\n(?=\S)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def parse(_: str, content: bytes) -> Document:
    """Return the sections below their headings. A first level-1 heading is the title, front matter the metadata."""
    text = decode(content)
    metadata: dict[str, str] = {}
    if front := _FRONT_MATTER.match(text):
        metadata = {key: value.strip("\"'") for key, value in _MEMBER.findall(front[2])}
        text = text[front.end() :]
    text = _COMMENT.sub("", text)
    tokens = _MARKDOWN.parse(text)
    title = metadata.pop("title", "") or _first_title(tokens)
    sections = read_blocks(_blocks(text.split("\n"), tokens), title)
    return Document(title, tuple(_as_markdown(section) for section in sections), metadata)


def _as_markdown(section: Section) -> Section:
    return Section(section.headings, section.text, "plain" if section.kind == "row" else "markdown", section.kind)


def _first_title(tokens: Sequence[Token]) -> str:
    return _plain(tokens[1]) if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1" else ""


def _plain(inline: Token) -> str:
    """Return what an inline token says, without its marks."""
    parts = []
    for child in inline.children or ():
        if child.type in {"softbreak", "hardbreak"} or (
            child.type == "html_inline" and child.content.startswith("<br")
        ):
            parts.append("\n")
        elif child.type in {"text", "code_inline"}:
            parts.append(child.content)
    return "".join(parts).strip()


def _blocks(lines: Sequence[str], tokens: Sequence[Token]) -> Iterator[Block]:
    """Yield the outermost blocks, paragraphs and lists from the source as it was written."""
    for at, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        source = "\n".join(lines[token.map[0] : token.map[1]]).strip()
        if token.type == "heading_open":
            yield Heading(int(token.tag[1]), _plain(tokens[at + 1]))
        elif token.type == "table_open":
            yield Table(list(_rows(tokens[at + 1 :])))
        elif token.type == "html_block":
            yield from _html(source)
        elif (question := _BOLD_QUESTION.match(source)) and token.type == "paragraph_open":
            yield Heading(PSEUDO_LEVEL, question[1].strip())
            yield Paragraph(source[question.end() :])
        elif (bold := _BOLD_LINE.fullmatch(source)) and token.type == "paragraph_open":
            yield Paragraph(bold[1].strip(), is_bold=True)
        elif source and token.type != "hr":
            yield Paragraph(source)


def _rows(tokens: Sequence[Token]) -> Iterator[list[Cell]]:
    row: list[Cell] = []
    is_header = False
    for at, token in enumerate(tokens):
        if token.type == "table_close":
            return
        if token.type == "thead_open":
            is_header = True
        elif token.type == "tbody_open":
            is_header = False
        elif token.type in {"th_open", "td_open"}:
            row.append(text_cell(_plain(tokens[at + 1]), is_header=is_header))
        elif token.type == "tr_close":
            yield row
            row = []


def _html(source: str) -> Iterator[Block]:
    try:
        yield from read_element(html.fragment_fromstring(source, create_parent="div"))
    except (etree.ParserError, ValueError):
        yield Paragraph(source)
