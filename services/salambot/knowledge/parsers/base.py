"""What a parser makes of a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of text that belongs together, under its path of headings, outermost first."""

    headings: tuple[str, ...]
    text: str
    markup: Literal["markdown", "plain"] = "plain"


@dataclass(frozen=True, slots=True)
class Document:
    """A title, sections in their order, and what the file says about itself.

    A parser leaves the title empty where the file has none: `parse` then makes one of the file's name.
    """

    title: str
    sections: tuple[Section, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    title_is_name: bool = False


class UnreadableDocumentError(Exception):
    """The file cannot be indexed; the message is the reason, without its content."""


def decode(content: bytes) -> str:
    """Decode UTF-8 (with or without a byte order mark), with `\\n` line ends. Raises UnreadableDocumentError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocumentError("not UTF-8 text") from error
    if "\0" in text:
        raise UnreadableDocumentError("binary, not text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def title_of_name(name: str) -> str:
    """Make a title of a file's name: `frais-de-livraison.md` → `Frais de livraison`."""
    words = name.rsplit(".", 1)[0].replace("-", " ").replace("_", " ").strip() or name
    return words[:1].upper() + words[1:]
