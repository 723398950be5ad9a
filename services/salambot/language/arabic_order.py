"""Arabic as old programs wrote it: letters in the order of the eye, from left to right. Find it and turn it round."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from bidi import get_display

_ARABIC_WORD = re.compile(r"[\u0621-\u065f\u0670-\u06d3\ufb50-\ufdff\ufe70-\ufefc]{3,}")
_STARTS = re.compile(r"^[وفبكل]?ال")
_ENDS_LIKE_A_START = re.compile(r"لا[وفبك]?$")
_ONLY_LAST = re.compile(r"^[ةى]|^[ءئؤ](?=[ا-ي]{3})")
"""Ta marbuta and alif maqsura end words; few words begin with a hamza on its own."""
_MIN_VOTES = 3
_LAST = re.compile(r"[ةى]$")


def to_logical_order(line: str) -> str:
    """Return the line in reading order, whichever way it was stored."""
    return get_display_order(line) if is_visual_order(line) else line


def get_display_order(line: str) -> str:
    """Return the other of the two orders of a line: the bidirectional algorithm is its own inverse."""
    return str(get_display(line, base_dir="R" if count_arabic(line) else None))


def is_visual_order(text: str) -> bool:
    """True if the words stand from left to right: their shapes tell, else the letters that only end a word."""
    words = _ARABIC_WORD.findall(text)
    shaped = sum(map(_shape_direction, words))
    if shaped:
        return shaped < 0
    plain = [unicodedata.normalize("NFKC", word) for word in words]
    return sum(map(_letter_direction, plain)) < 0


def is_mostly_visual_order(texts: Iterable[str]) -> bool:
    """True if a whole document stands from left to right: enough words say so, and hardly any says the opposite."""
    votes = Counter(_letter_direction(word) for text in texts for word in _ARABIC_WORD.findall(text))
    backward, forward = votes[-1] + votes[-2], votes[1] + votes[2]
    return backward >= _MIN_VOTES and backward > 4 * forward


def count_arabic(text: str) -> int:
    """Return how many Arabic letters a text has."""
    return sum(map(len, re.findall(r"[\u0621-\u064a\u066e-\u06d3\ufb50-\ufdff\ufe70-\ufefc]", text)))


@lru_cache(maxsize=4096)
def _shape(letter: str) -> str:
    """Return `initial`, `medial`, `final` or `isolated`; empty for a letter that has no shape of its own."""
    return unicodedata.decomposition(letter).partition(">")[0].lstrip("<") if letter > "\ufb4f" else ""


def _shape_direction(word: str) -> int:
    """+1 where an initial form comes before the final one, -1 where it comes after."""
    shapes = [_shape(letter) for letter in word]
    first = {"initial": 1, "final": -1}.get(shapes[0], 0)
    last = {"final": 1, "initial": -1}.get(shapes[-1], 0)
    return first + last


def _letter_direction(word: str) -> int:
    forward = bool(_STARTS.search(word)) + bool(_LAST.search(word))
    backward = bool(_ENDS_LIKE_A_START.search(word)) + bool(_ONLY_LAST.search(word))
    return forward - backward
