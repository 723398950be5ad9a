"""Office files are zip archives: look at what they would unpack to before unpacking."""

import io
from zipfile import BadZipFile, ZipFile

from salambot.documents.base import Unreadable

UNPACKED_LIMIT = 200 * 1024 * 1024
_OLE = b"\xd0\xcf\x11\xe0"
"""The old container format: what an office file with a password is wrapped in."""


def refuse_bombs(content: bytes) -> None:
    """Raise Unreadable for an encrypted office file, one that is no zip, and one that unpacks to too much."""
    if content.startswith(_OLE):
        raise Unreadable("encrypted")
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except BadZipFile as error:
        raise Unreadable("not what its name says, or damaged") from error
    if size > UNPACKED_LIMIT:
        raise Unreadable(f"unpacks to more than {UNPACKED_LIMIT // 1024 // 1024} MiB")
