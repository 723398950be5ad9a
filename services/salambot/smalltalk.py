"""Greetings, thanks and farewells: what a person answers without looking anything up."""

import re
from typing import Literal

from salambot.language import fold_arabic, fold_latin
from salambot.lexicon import COURTESY_FILLERS, FAREWELL_WORDS, GREETING_WORDS, THANKS_WORDS

Courtesy = Literal["greeting", "thanks", "farewell", "nothing"]
"""`nothing`: the message holds no word at all."""

_WORD = re.compile(r"[^\W_]+")
_HOW_ARE_YOU = re.compile(r"\bhow (?:are you|is it going|do you do)\b")
_LONGEST = 8
"""Words: whoever says more wants something."""
_KINDS: tuple[tuple[Courtesy, frozenset[str]], ...] = (
    ("thanks", THANKS_WORDS),
    ("farewell", FAREWELL_WORDS),
    ("greeting", GREETING_WORDS),
)


def _words_of(text: str) -> list[str]:
    return _WORD.findall(_HOW_ARE_YOU.sub("hello", fold_arabic(fold_latin(text[:400]))))


def courtesy_of(prompt: str) -> Courtesy | None:
    """Return what kind of courtesy `prompt` is when it is nothing else, and None when it asks for something."""
    words = _words_of(prompt)
    if not words:
        return "nothing"
    if len(words) > _LONGEST or any(word not in COURTESY_FILLERS and not _is_courteous(word) for word in words):
        return None
    return next((kind for kind, vocabulary in _KINDS if vocabulary.intersection(words)), None)


def opens_with_greeting(prompt: str) -> bool:
    """Tell whether a longer message starts by a greeting, which deserves one back."""
    words = _words_of(prompt)
    return bool(words) and words[0] in GREETING_WORDS


def _is_courteous(word: str) -> bool:
    return any(word in vocabulary for _, vocabulary in _KINDS)
