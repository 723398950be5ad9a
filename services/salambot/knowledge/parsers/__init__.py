"""From a file's bytes to sections of text: one file a format, chosen by the name's ending or by what is in it."""

import re
from dataclasses import replace
from importlib import import_module
from pathlib import PurePosixPath

from salambot.knowledge.parsers.archives import find_format
from salambot.knowledge.parsers.base import Document, UnreadableDocumentError, title_of_name
from salambot.knowledge.parsers.cleaning import clean
from salambot.language.storable import make_storable

FORMATS = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "plain",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".mhtml": "html",
    ".mht": "html",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".pdf": "pdf",
    ".docx": "docx",
    ".docm": "docx",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
"""File name ending -> module of this package. An ending that is not here is not a document."""
VERSION = "4"
"""Part of the manifest's pipeline: raise it when a parser reads the same bytes otherwise."""
MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
"""Bytes of a document: a larger one is hardly something a shop's customers ask about."""
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|meta|table)\b", re.IGNORECASE)
_POINTER = b"version https://git-lfs.github.com/spec/"
MAX_TITLE_CHARACTERS = 300
"""Characters: it stands above each chunk that is embedded, and those are bounded."""


def is_document(path: str) -> bool:
    """Return whether this file name's ending is of a known format."""
    return PurePosixPath(path).suffix.lower() in FORMATS


def parse(path: str, content: bytes) -> Document:
    """Read a document; blocking. Raises UnreadableDocumentError with the reason that its owner will see."""
    refuse_large(len(content))
    if not content.strip():
        raise UnreadableDocumentError("empty")
    document = clean(_parsed(path, content))
    if not document.sections:
        raise UnreadableDocumentError("no text in it")
    title = document.title or make_storable(title_of_name(PurePosixPath(path).name))
    return replace(document, title=title[:MAX_TITLE_CHARACTERS], title_is_name=not document.title)


def refuse_large(size: int) -> None:
    """Raise UnreadableDocumentError for a size over the limit: such a document is not even read."""
    if size > MAX_DOCUMENT_BYTES:
        raise UnreadableDocumentError(f"larger than {MAX_DOCUMENT_BYTES // 1024 // 1024} MiB")


def _parsed(path: str, content: bytes) -> Document:
    module = import_module(f"salambot.knowledge.parsers.{_format(path, content)}")
    try:
        document: Document = module.parse(PurePosixPath(path).name, content)
    except UnreadableDocumentError:
        raise
    except Exception as error:  # a damaged file leads the libraries into errors of any kind
        raise UnreadableDocumentError(f"not what its name says, or damaged ({type(error).__name__})") from error
    return document


def _format(path: str, content: bytes) -> str:
    """Return the parser: what the first bytes show without doubt counts more than the name."""
    named = FORMATS[PurePosixPath(path).suffix.lower()]
    if content.startswith(_POINTER):
        raise UnreadableDocumentError("a pointer of Git LFS, not the document: run git lfs pull")
    if content.startswith(b"%PDF-"):
        return "pdf"
    if named in {"docx", "xlsx"} and _PAGE.match(content):  # what many shops' programs export as a table
        return "html"
    if named == "xlsx" and not content.startswith((b"PK", b"\xd0\xcf", b"<", b"{\\rtf")):
        return "csv"  # as many programs export "Excel"; what is no text is refused there
    return find_format(content) or named
