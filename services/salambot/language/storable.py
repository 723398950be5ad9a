"""Make text storable: one step for every document, so that no character of a file can end a seed.

Postgres refuses U+0000 and half surrogates; the others here are invisible, forbidden in interchange, or one letter
written in two ways (NFC, presentation forms, ligatures).
"""

import re
import unicodedata

from salambot.language.arabic_order import to_logical_order

_UNSTORABLE = re.compile("[\x00\ud800-\udfff\ufffe\uffff\ufdd0-\ufdef]")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile("[\x1c-\x1f\u2000-\u200a\u3000]")
_INVISIBLE = re.compile(
    "[\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
_BULLETS = str.maketrans({"\uf0b7": "•", "\uf0a7": "▪", "\uf0d8": "➢", "\uf0fc": "✓", "\uf02d": "-"})
"""What Word's Symbol and Wingdings fonts leave of a list."""
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")
_COMPATIBILITY = re.compile("[\ufb00-\ufdcf\ufdf0-\ufdfc\ufe70-\ufefc]+")
"""Latin ligatures and Arabic presentation forms; not the ornaments ﴾ ﴿ and ﷽, which are no letters."""


def make_storable(text: str) -> str:
    """Return `text` in NFC with `\\n` line ends and ordinary letters, without what no store or reader can use."""
    text = _join_surrogates(text)
    text = _LINE_ENDS.sub("\n", _UNSTORABLE.sub("", text))
    text = _INVISIBLE.sub("", _SPACES.sub(" ", text))
    text = _PRIVATE_USE.sub("", text.translate(_BULLETS))
    if _COMPATIBILITY.search(text):
        text = "\n".join(map(_without_presentation_forms, text.split("\n")))
    return unicodedata.normalize("NFC", text)


def count_unstorable(text: str) -> int:
    """Return how many characters `make_storable` drops because a store refuses them."""
    return len(_UNSTORABLE.findall(_join_surrogates(text)))


def _join_surrogates(text: str) -> str:
    """Make one character of each pair of surrogates (UTF-16 that was decoded by halves)."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _without_presentation_forms(line: str) -> str:
    return _COMPATIBILITY.sub(lambda found: unicodedata.normalize("NFKC", found[0]), to_logical_order(line))
