"""One spelling for what people spell in many ways: case, widths, digits, Arabic letters and marks."""

import re
import unicodedata

from salambot.language.detection import fold_arabic

_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
_ARABIC_LETTER = re.compile(r"[\u0621-\u064a\u066e-\u06d3\u0750-\u077f]")
_OURS_TO_FOLD = re.compile(r"[\u0600-\u077f\u200e\u200f]")
"""Arabic letters, digits and marks: a text without any need not be translated letter by letter."""
_MOROCCAN_LETTERS = str.maketrans({"گ": "ك", "ڭ": "ك", "ݣ": "ك", "ڤ": "ف", "پ": "ب", "ک": "ك", "ی": "ي"})


def normalise(text: str) -> str:
    """Return `text` in NFKC, case-folded, with ASCII digits and one form of each Arabic letter; accents stay."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    if _OURS_TO_FOLD.search(plain):
        plain = fold_arabic(plain.translate(_DIGITS).translate(_MOROCCAN_LETTERS))
    return unicodedata.normalize("NFC", plain)


def words(normalised: str) -> list[str]:
    """Return the words of a normalised text, in order; numbers keep their decimals."""
    return _WORD.findall(normalised)


def is_arabic(word: str) -> bool:
    """Return whether a word is written in Arabic script."""
    return _ARABIC_LETTER.search(word) is not None
