"""From the blocks of a page (headings, paragraphs, lists, tables) to sections: what all formats with a layout share."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from salambot.knowledge.parsers.base import Section
from salambot.knowledge.parsers.cells import Grid, is_question
from salambot.knowledge.parsers.tables import read_table

PSEUDO_LEVEL = 7
"""The level of a heading that the file does not call one: a bold line, a question. It stands below all real ones."""
_MAX_HEADING = 160
MAX_CAPITALS = 90
SPEAKER = re.compile(r"^\s*(?:Q|R|A|Question|Réponse|Reponse|Answer|س|ج)\s*\d{0,3}\s*[:.)–-]\s+", re.IGNORECASE)
"""What marks a question or an answer: `Q: `, `R. `, `س: `."""


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text, or an item of a list (its bullet is part of the text)."""

    text: str
    is_bold: bool = False
    is_item: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    grid: Grid
    title: str = ""


Block = Heading | Paragraph | Table


@dataclass(slots=True)
class _Outline:
    """Where we are: the headings above, and the text below the last of them."""

    title: str
    path: list[Heading] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def headings(self) -> tuple[str, ...]:
        texts = [heading.text for heading in self.path]
        return tuple(texts[1:] if texts[:1] == [self.title] else texts)

    def enter(self, heading: Heading) -> None:
        self.path = [above for above in self.path if above.level < heading.level]
        self.path.append(heading)

    def flush(self) -> Iterator[Section]:
        if self.lines:
            yield Section(self.headings, "\n".join(self.lines).strip())
            self.lines = []


def read_blocks(blocks: Iterable[Block], title: str = "") -> Iterator[Section]:
    """Yield a section a heading and a row of a table; the heading that is the document's title is left out."""
    outline = _Outline(title)
    for block in _with_pseudo_headings(list(blocks)):
        match block:
            case Heading():
                yield from outline.flush()
                outline.enter(block)
            case Table():
                name = (block.title,) if block.title and block.title not in outline.headings else ()
                yield from outline.flush()
                yield from read_table(block.grid, (*outline.headings, *name))
            case Paragraph():
                gap = [] if not outline.lines or (block.is_item and outline.lines[-1] != "") else [""]
                outline.lines += [*gap, block.text]
    yield from outline.flush()


def _with_pseudo_headings(blocks: list[Block]) -> Iterator[Block]:
    """Make headings of the paragraphs that serve as one: bold lines and questions, with something else below."""
    blocks = [part for block in blocks for part in _question_and_answer(block)]
    is_answer = False
    for at, block in enumerate(blocks):
        following = blocks[at + 1] if at + 1 < len(blocks) else None
        if isinstance(block, Paragraph) and following is not None and _serves_as_heading(block, following):
            yield Heading(PSEUDO_LEVEL, SPEAKER.sub("", block.text).strip(" :"))
            is_answer = True
            continue
        yield replace(block, text=SPEAKER.sub("", block.text)) if is_answer and isinstance(block, Paragraph) else block
        is_answer = False


def _question_and_answer(block: Block) -> Iterator[Block]:
    """Part a paragraph whose first line is a question from the answer in its other lines."""
    if isinstance(block, Paragraph) and not block.is_item and "\n" in block.text:
        first, _, rest = block.text.partition("\n")
        if is_question(first) and not is_question(rest):
            yield Paragraph(first, is_bold=True)
            yield Paragraph(rest)
            return
    yield block


def _serves_as_heading(block: Paragraph, following: Block) -> bool:
    if isinstance(following, Heading) or block.is_item or not block.text or "\n" in block.text:
        return False
    if isinstance(following, Paragraph) and is_question(following.text):
        return False  # one question after another: a list, or a text that asks
    is_followed_by_plain = not isinstance(following, Paragraph) or not following.is_bold
    if block.is_bold:
        return is_followed_by_plain and len(block.text) <= _MAX_HEADING and not block.text.endswith((".", ",", ";"))
    is_capitals = is_in_capitals(block.text) and not (
        isinstance(following, Paragraph) and is_in_capitals(following.text)
    )
    return is_capitals or (is_question(block.text) and isinstance(following, Paragraph))


def is_in_capitals(text: str) -> bool:
    """True for a short line of capitals, as people write headings."""
    return (
        len(text) <= MAX_CAPITALS
        and text.isupper()
        and sum(letter.isalpha() for letter in text) > max(3, len(text) * 0.6)
    )
