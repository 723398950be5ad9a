"""Markdown (CommonMark and tables): one section a heading, so that a question and its answer stay together."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from salambot.knowledge.parsers.base import Document, Section, decode

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---(?:\n|\Z)", re.DOTALL)
_MEMBER = re.compile(r"^([A-Za-z_][\w-]{0,40}):[ \t]*(.{1,200}?)[ \t]*$", re.MULTILINE)


def parse(_: str, content: bytes) -> Document:
    """Return the sections below their headings. A first level-1 heading is the title, front matter the metadata."""
    text = decode(content)
    metadata: dict[str, str] = {}
    if front := _FRONT_MATTER.match(text):
        metadata = {key: value.strip("\"'") for key, value in _MEMBER.findall(front[1])}
        text = text[front.end() :]
    tokens = _MARKDOWN.parse(text)
    sections = list(_sections(text.split("\n"), tokens))
    title = metadata.pop("title", "") or _first_title(tokens)
    return Document(title, tuple(_below(title, section) for section in sections), metadata)


def _first_title(tokens: list[Token]) -> str:
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        return _plain(tokens[1])
    return ""


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in {"text", "code_inline"}).strip()


def _below(title: str, section: Section) -> Section:
    if section.headings[:1] == (title,):
        return Section(section.headings[1:], section.text, section.markup)
    return section


def _sections(lines: list[str], tokens: list[Token]) -> Iterator[Section]:
    """Cut the source at its headings (those of quotes and lists are text), keeping Markdown as it was written."""
    path: list[tuple[int, str]] = []
    start = 0
    for index, token in enumerate(tokens):
        if token.type != "heading_open" or token.level or token.map is None:
            continue
        yield from _section(path, lines[start : token.map[0]])
        depth = int(token.tag[1])
        path = [*((level, heading) for level, heading in path if level < depth), (depth, _plain(tokens[index + 1]))]
        start = token.map[1]
    yield from _section(path, lines[start:])


def _section(path: list[tuple[int, str]], lines: list[str]) -> Iterator[Section]:
    text = "\n".join(lines).strip()
    if text:
        yield Section(tuple(heading for _, heading in path), text, "markdown")
