"""Greetings, thanks, blessings and complaints: what a person answers without looking anything up."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from salambot.language.detection import fold_arabic, fold_latin

Courtesy = Literal["thanks", "blessing", "farewell", "greeting", "reaction", "regret", "nothing"]
"""`reaction` and `regret` answer emoji alone; `nothing`: the message holds no word at all."""

_ASKS = re.compile(r"[?؟]")
_WORD = re.compile(r"[^\W_]+")
_HOW_ARE_YOU = re.compile(r"\bhow (?:are you|is it going|do you do)\b")
_LEAVES = re.compile(
    r"\b(?:a (?:demain|bientot|plus|la prochaine)|see you(?: later| soon| tomorrow)?|(?:bonne|good) (?:nuit|night)"
    r"|have a (?:nice|good|great) (?:day|evening|weekend)|bon weekend)\b"
)
_MAX_WORDS = 12
"""Whoever says more wants something."""
_LOOKED_AT = 400
_KINDS: tuple[Courtesy, ...] = ("thanks", "blessing", "farewell", "greeting")


class _Vocabulary(NamedTuple):
    kinds: dict[Courtesy, frozenset[str]]
    known: frozenset[str]
    liked: frozenset[str]
    disliked: frozenset[str]
    complaint: re.Pattern[str]
    human: re.Pattern[str]


def detect_small_talk(prompt: str) -> Courtesy | None:
    """Return what kind of courtesy `prompt` is when it is nothing else, and None when it asks for something."""
    words, vocabulary = _words_of(prompt), _vocabulary()
    if not words:
        return _reaction_to(prompt, vocabulary)
    if len(words) > _MAX_WORDS or not vocabulary.known.issuperset(words):
        return None
    found = next((kind for kind in _KINDS if vocabulary.kinds[kind].intersection(words)), None)
    if _ASKS.search(prompt) and found != "greeting":  # `ça va ?` asks for nothing, `merci ?` may
        return None
    return "regret" if found == "thanks" and vocabulary.disliked.intersection(prompt) else found


def opens_with_greeting(prompt: str) -> bool:
    """Return True if a longer message starts by a greeting, which deserves one back."""
    words = _words_of(prompt)
    return bool(words) and words[0] in _vocabulary().kinds["greeting"]


def is_complaint(prompt: str) -> bool:
    """Return True if a customer is upset."""
    return _vocabulary().complaint.search(_folded(prompt)) is not None


def asks_for_a_person(prompt: str) -> bool:
    """Return True if a customer wants to talk to a human being."""
    return _vocabulary().human.search(_folded(prompt)) is not None


def _reaction_to(prompt: str, vocabulary: _Vocabulary) -> Courtesy:
    if vocabulary.disliked.intersection(prompt):
        return "regret"
    return "reaction" if vocabulary.liked.intersection(prompt) else "nothing"


def _folded(text: str) -> str:
    return fold_arabic(fold_latin(text[:_LOOKED_AT])).replace("’", "'")


def _words_of(text: str) -> list[str]:
    return _WORD.findall(_LEAVES.sub("bye", _HOW_ARE_YOU.sub("hello", _folded(text))))


@cache
def _vocabulary() -> _Vocabulary:
    with Path(__file__).with_name("courtesies.toml").open("rb") as file:
        table: dict[str, str] = tomllib.load(file)
    kinds = {kind: frozenset(table[kind].split()) for kind in _KINDS}
    return _Vocabulary(
        kinds,
        frozenset(table["fillers"].split()).union(*kinds.values()),
        frozenset(table["liked"]),
        frozenset(table["disliked"]),
        re.compile(table["complaint"]),
        re.compile(table["human"]),
    )
