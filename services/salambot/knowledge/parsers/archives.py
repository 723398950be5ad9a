"""Office files are zip archives: look at what they would unpack to before unpacking."""

import io
from zipfile import BadZipFile, ZipFile

from salambot.knowledge.parsers.base import UnreadableDocumentError

MAX_UNPACKED_BYTES = 200 * 1024 * 1024
_ALWAYS_BYTES = 8 * 1024 * 1024
MAX_RATIO = 100
"""Unpacked to packed, past the first bytes: office files reach 10 to 30; what repeats itself more is no text."""
_MAX_FILES = 10_000
_OLE = b"\xd0\xcf\x11\xe0"
"""The old container format: what an office file with a password is wrapped in."""


def refuse_bombs(content: bytes) -> None:
    """Raise UnreadableDocumentError for a file that is encrypted, no zip archive, or unpacks to too much."""
    if content.startswith(_OLE):
        raise UnreadableDocumentError("encrypted")
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            items = archive.infolist()
            size = sum(item.file_size for item in items)
    except BadZipFile as error:
        raise UnreadableDocumentError("not what its name says, or damaged") from error
    if len(items) > _MAX_FILES or size > _ALWAYS_BYTES + MAX_RATIO * len(content):
        raise UnreadableDocumentError("unpacks to far more than its size: it repeats itself, or is no document")
    if size > MAX_UNPACKED_BYTES:
        raise UnreadableDocumentError(f"unpacks to more than {MAX_UNPACKED_BYTES // 1024 // 1024} MiB")
