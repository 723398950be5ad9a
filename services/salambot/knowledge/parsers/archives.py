"""Office files are zip archives: look at what they would unpack to before unpacking."""

import io
from zipfile import BadZipFile, ZipFile

from salambot.knowledge.parsers.base import UnreadableDocumentError

MAX_UNPACKED_BYTES = 200 * 1024 * 1024
_OLE = b"\xd0\xcf\x11\xe0"
"""The old container format: what an office file with a password is wrapped in."""


def refuse_bombs(content: bytes) -> None:
    """Raise UnreadableDocumentError for a file that is encrypted, no zip archive, or unpacks to too much."""
    if content.startswith(_OLE):
        raise UnreadableDocumentError("encrypted")
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except BadZipFile as error:
        raise UnreadableDocumentError("not what its name says, or damaged") from error
    if size > MAX_UNPACKED_BYTES:
        raise UnreadableDocumentError(f"unpacks to more than {MAX_UNPACKED_BYTES // 1024 // 1024} MiB")
