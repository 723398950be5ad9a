"""The result of parsing a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of text that belongs together, under its path of headings, outermost first.

    A `row` is one row of a table: a line `Header: value` for each cell, so that it is understood on its own.
    """

    headings: tuple[str, ...]
    text: str
    markup: Literal["markdown", "plain"] = "plain"
    kind: Literal["text", "row"] = "text"


@dataclass(frozen=True, slots=True)
class Document:
    """A title, sections in their order, and what the file says about itself.

    A parser leaves the title empty where the file has none: `parse` then makes one of the file's name. `warnings`
    name what the file holds and the sections do not, for its owner.
    """

    title: str
    sections: tuple[Section, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    title_is_name: bool = False
    warnings: tuple[str, ...] = ()


class UnreadableDocumentError(Exception):
    """The file cannot be indexed; the message is the reason, without its content."""


def title_of_name(name: str) -> str:
    """Make a title of a file's name: `frais-de-livraison.md` → `Frais de livraison`."""
    words = name.rsplit(".", 1)[0].replace("-", " ").replace("_", " ").strip() or name
    return words[:1].upper() + words[1:]
