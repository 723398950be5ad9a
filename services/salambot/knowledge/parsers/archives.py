"""Office files are zip archives: look at what they would unpack to, and at what wrote them, before unpacking."""

import io
import re
from collections.abc import Callable
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from salambot.knowledge.parsers.base import UnreadableDocumentError

MAX_UNPACKED_BYTES = 200 * 1024 * 1024
_ALWAYS_BYTES = 8 * 1024 * 1024
MAX_RATIO = 100
"""Unpacked to packed, past the first bytes: office files reach 10 to 30; what repeats itself more is no text."""
_MAX_FILES = 10_000
_OLE = b"\xd0\xcf\x11\xe0"
"""The old container format: of .doc and .xls, and what an office file with a password is wrapped in."""
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OPEN_DOCUMENT = "content.xml"
"""The part that LibreOffice's own formats have, and Word's and Excel's have not."""
_RELATIONS = "_rels/.rels"
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/(\w+)")
"""Names of the strict variant of the format, which the libraries do not know."""


def open_office(content: bytes) -> bytes:
    """Return an office file as Word and Excel usually write it. Raises UnreadableDocumentError for what is none.

    It is looked at before it is unpacked: whether it is encrypted, and what it would unpack to.
    """
    if content.startswith(_OLE):
        old = "an old .doc or .xls file: save it as .docx or .xlsx"
        raise UnreadableDocumentError("encrypted" if _ENCRYPTED in content else old)
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            _refuse_bombs(archive, len(content))
            if _OPEN_DOCUMENT in archive.namelist():
                raise UnreadableDocumentError("an OpenDocument file: save it as .docx or .xlsx")
            is_unusual = _is_unusual(archive)
        return rewrite(content, _usual_names) if is_unusual else content
    except BadZipFile as error:
        raise UnreadableDocumentError("not what its name says, or damaged") from error


def find_format(content: bytes) -> str:
    """Return the parser of an office file, whatever its name; empty for any other file."""
    if not content.startswith(b"PK\x03\x04"):
        return ""
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            folders = {re.split(r"[/\\]", name)[0] for name in archive.namelist()[:_MAX_FILES]}
    except BadZipFile:
        return ""
    return "docx" if "word" in folders else "xlsx" if "xl" in folders else ""


def rewrite(content: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """Return an archive with each part as `change` returns it, given name and content; None leaves it out.

    Names get `/` where a program of .NET wrote a backslash.
    """
    copy = io.BytesIO()
    with ZipFile(io.BytesIO(content)) as archive, ZipFile(copy, "w", ZIP_DEFLATED) as changed:
        for item in archive.infolist():
            if (part := change(item.filename, archive.read(item))) is not None:
                changed.writestr(item.filename.replace("\\", "/"), part)
    return copy.getvalue()


def _refuse_bombs(archive: ZipFile, packed: int) -> None:
    items = archive.infolist()
    size = sum(item.file_size for item in items)
    if len(items) > _MAX_FILES or size > _ALWAYS_BYTES + MAX_RATIO * packed:
        raise UnreadableDocumentError("unpacks to far more than its size: it repeats itself, or is no document")
    if size > MAX_UNPACKED_BYTES:
        raise UnreadableDocumentError(f"unpacks to more than {MAX_UNPACKED_BYTES // 1024 // 1024} MiB")


def _is_unusual(archive: ZipFile) -> bool:
    names = archive.namelist()
    return any("\\" in name for name in names) or (_RELATIONS in names and b"purl.oclc" in archive.read(_RELATIONS))


def _usual_names(name: str, part: bytes) -> bytes:
    is_xml = name.endswith((".xml", ".rels"))
    return _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/\2", part) if is_xml else part
