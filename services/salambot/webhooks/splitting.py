"""Split a long reply: after paragraphs or sentences, else between words, inside a word only as a last resort."""

import re
import unicodedata
from collections.abc import Iterator

_AFTER = (re.compile(r"\n\s*\n"), re.compile(r"[.!?…؟。](?=\s)|\n"), re.compile(r"\s"))
"""Split points in order of preference: paragraphs, sentences, words."""
_LEAST = 0.4
"""The minimum fill of a part before a split point is used."""


def split_reply(text: str, longest: int) -> list[str]:
    """Return parts of at most `longest` UTF-16 units, the most that any channel counts for a character."""
    return [part for part in _parts(text.strip(), longest) if part]


def _parts(text: str, longest: int) -> Iterator[str]:
    while units(text) > longest:
        cut = _cut(text[: _fitting(text, longest)])
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    yield text


def units(text: str) -> int:
    """Return the length in UTF-16 units: a character past U+FFFF counts twice."""
    return len(text) + sum(character > "\uffff" for character in text)


def _fitting(text: str, longest: int) -> int:
    """Return how many characters fit."""
    taken = 0
    for position, character in enumerate(text):
        taken += 2 if character > "\uffff" else 1
        if taken > longest:
            return max(position, 1)
    return len(text)


def _cut(head: str) -> int:
    for boundary in _AFTER:
        ends = [match.end() for match in boundary.finditer(head) if match.end() >= len(head) * _LEAST]
        if ends:
            return ends[-1]
    return _between_characters(head)


def _between_characters(head: str) -> int:
    """Return a cut that separates neither a letter from its marks nor a joined emoji."""
    cut = len(head)
    while cut > 1 and (unicodedata.combining(head[cut - 1]) or head[cut - 1] == "\u200d"):
        cut -= 1
    return cut
