"""From a text file's bytes to text: the byte order mark, the charset it declares, UTF-8, else the likeliest code page.

Excel and Word save in the code page of Windows (1252 for French, 1256 for Arabic), old programs in others.
"""

import codecs
import re
from collections.abc import Callable

from salambot.knowledge.parsers.base import UnreadableDocumentError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BINARY_MAGIC = (
    b"%PDF-",
    b"PK\x03\x04",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\xd0\xcf\x11\xe0",
    b"\x1f\x8b",
    b"{\\rtf",
)
_CONTROLS = re.compile("[\ufffd\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BLOCKS = b"\x00\x01\x06\xfb\xfd\xfe"
"""The upper bytes of Latin and Arabic letters in UTF-16; those of dashes and emoji are usual bytes of UTF-8 too."""
_MAX_CONTROLS = 0.05
"""Share of control characters and undecodable bytes from which on a file is no text."""
_FEW_CONTROLS = 2
"""So many spoil no short text: they are left out, and told."""
_ARABIC_RUN = re.compile(rb"[\x81\x8d-\x90\x98\x9a\xc0-\xff]{3,}")
"""Arabic words are whole runs of high bytes; French has them one at a time."""
_HIGH = re.compile(rb"[\x80-\xff]")
_ARABIC_PAGES = ("cp1256", "iso8859-6")
_LATIN_PAGES = ("cp1252", "mac_roman", "cp850")
_FRENCH = re.compile("[éèêëàâäîïôöùûüçœæñÉÈÊËÀÂÎÏÔÙÛÜÇŒ’‘“”«»€°–—…·•©®²\u00a0]")
_ODD = re.compile("[^\x00-\x7f]")
_CAPITAL_INSIDE = re.compile("(?<=[a-zà-ÿ])[À-ÞŒŽŠ]")
_MOJIBAKE = re.compile("Ã[\u00a0-\u00bf\u0080-\u009f€-™]|â€[™œ“”\u009d¦“]|[ØÙ][\u0080-\u00bf€-™œžŸ]")
_MIN_MOJIBAKE = 2


def decode(content: bytes, declared: str = "") -> str:
    """Return the text, with `\\n` line ends. Raises UnreadableDocumentError for what is no text."""
    if content.startswith(_BINARY_MAGIC):
        raise UnreadableDocumentError("binary, not text")
    text = _decode(content, declared)
    controls = len(_CONTROLS.findall(text))
    if controls > len(text) * _MAX_CONTROLS and (controls > _FEW_CONTROLS or controls == len(text)):
        raise UnreadableDocumentError("binary, not text")
    return _repair_mojibake(text).replace("\r\n", "\n").replace("\r", "\n")


def _decode(content: bytes, declared: str) -> str:
    for mark, name in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(name, "replace")
    if (wide := _wide_encoding(content)) is not None:
        return content.decode(wide, "replace")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content)  # a letter that is cut off at the end goes
    except UnicodeDecodeError:
        return _decode_declared(content, declared) or _decode_lines(content)


def _wide_encoding(content: bytes) -> str | None:
    """Recognise UTF-16 without a mark: every other byte names a block of letters, a zero that of ASCII and spaces."""
    for blocks, name in ((content[1::2], "utf-16-le"), (content[::2], "utf-16-be")):
        known = sum(map(blocks.count, _BLOCKS))
        if len(content) % 2 == 0 and blocks.count(0) >= len(blocks) * 0.1 and known >= len(blocks) * 0.8:
            return name
    return None


def _decode_declared(content: bytes, declared: str) -> str:
    """Decode by the declared charset; browsers read the old Latin names as Windows code pages, and so do we."""
    name = declared.strip().strip("\"'").lower()
    name = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "x-sjis": ""}.get(name, name)
    if not name or name.replace("-", "").startswith(("utf8", "utf16")):
        return ""
    try:
        return content.decode(name, "replace")
    except LookupError:
        return ""


def _decode_lines(content: bytes) -> str:
    """Decode a file of one code page, or one of UTF-8 into which lines of another program were pasted."""
    lines = content.split(b"\n")
    page = _code_page(b"\n".join(line for line in lines if not _is_utf8(line)))
    is_utf8 = [_is_utf8(line) for line in lines if _HIGH.search(line)]
    if sum(is_utf8) * 2 < len(is_utf8):
        return content.decode(page, "replace")
    return "\n".join(line.decode("utf-8" if _is_utf8(line) else page, "replace") for line in lines)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _code_page(content: bytes) -> str:
    in_runs = sum(map(len, _ARABIC_RUN.findall(content)))
    if in_runs * 2 > len(_HIGH.findall(content)):
        return _likeliest(
            content, _ARABIC_PAGES, lambda text: text.count(" ال") + text.count("\nال") + text.count("ية")
        )
    return _likeliest(content, _LATIN_PAGES, _frenchness)


def _likeliest(content: bytes, pages: tuple[str, ...], score: Callable[[str], int]) -> str:
    """Return the page whose text scores best; of equals the first."""
    return max(pages, key=lambda page: score(content.decode(page, "replace")))


def _frenchness(text: str) -> int:
    good = len(_FRENCH.findall(text))
    return 2 * good - len(_ODD.findall(text)) - 3 * len(_CAPITAL_INSIDE.findall(text))


def _repair_mojibake(text: str) -> str:
    """Turn back UTF-8 that was once read as Windows 1252 and saved so (`dÃ©lai`), where the whole text agrees."""
    if len(_MOJIBAKE.findall(text)) < _MIN_MOJIBAKE:
        return text
    return "\n".join(map(_repair_line, text.split("\n")))


def _repair_line(line: str) -> str:
    if not _MOJIBAKE.search(line):
        return line
    raw = b"".join(_byte(letter) for letter in line)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return line


def _byte(letter: str) -> bytes:
    """Return what stood for a letter: Windows 1252, with the five bytes that it leaves undefined as they are."""
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1") if letter < "\u0100" else letter.encode("utf-8")
