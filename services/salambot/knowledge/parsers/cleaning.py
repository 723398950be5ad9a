"""The last step of each parser: what a document says becomes storable, and what had to go is told."""

from dataclasses import replace

from salambot.knowledge.parsers.base import Document, Section
from salambot.language.arabic_order import get_display_order, is_mostly_visual_order
from salambot.language.storable import count_unstorable, make_storable


def clean(document: Document) -> Document:
    """Return the document with storable texts, in reading order, without sections that say nothing."""
    texts = [text for section in document.sections for text in (*section.headings, section.text)]
    dropped = sum(map(count_unstorable, [document.title, *texts]))
    warnings = list(document.warnings)
    if dropped:
        warnings.append(f"{dropped} characters that cannot be stored left out (NUL, half an emoji)")
    sections = [_clean_section(section) for section in document.sections]
    if is_mostly_visual_order([section.text for section in sections]):
        sections = [_turned(section) for section in sections]
    return replace(
        document,
        title=" ".join(make_storable(document.title).split()),
        sections=tuple(section for section in sections if section.text),
        metadata={make_storable(key): make_storable(value) for key, value in document.metadata.items()},
        warnings=tuple(make_storable(warning) for warning in warnings),
    )


def _clean_section(section: Section) -> Section:
    headings = (" ".join(make_storable(heading).split()) for heading in section.headings)
    text = make_storable(section.text).strip()
    return replace(section, headings=tuple(heading for heading in headings if heading), text=text)


def _turned(section: Section) -> Section:
    """Turn a text round that was stored from left to right, line by line."""
    headings = tuple(map(get_display_order, section.headings))
    return replace(section, headings=headings, text="\n".join(map(get_display_order, section.text.split("\n"))))
