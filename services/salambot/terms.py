"""The terms by which a question meets a passage, across spelling, inflection and Darija's two scripts."""

import re
from functools import lru_cache

from salambot.language import fold_arabic, fold_latin
from salambot.lexicon import (
    ARABIZI_FUNCTION_WORDS,
    DARIJA_FUNCTION_WORDS,
    ENGLISH_WORDS,
    FRENCH_WORDS,
    STANDARD_ARABIC_FUNCTION_WORDS,
)

_WORD = re.compile(r"[^\W_]+")
_ARABIC = re.compile(r"[\u0621-\u06d3]")
_SUFFIX = re.compile(
    r"(?:aisons?|ations?|ements?|ments?|ances?|euses?|eurs?|ables?|ages?|antes?|ants?|erons|eront|erai|erez|era|ees?|es?"
    r"|ers?|ez|ons|ent|ions?|ings?|ed|s|x)$"
)
_STEM_LENGTH = 6
_CONSONANTS = str.maketrans(
    dict(zip("بتثجحخدذرزسشصضطظعغفقكلمنهڤپگڭݣ", "bttjhXddrzs$sdtd3gfkklmnhfbggg", strict=True))
    | dict.fromkeys("اويءئؤ", "")
)
_ARABIZI_DIGRAPHS = (("kh", "X"), ("gh", "g"), ("ch", "$"), ("sh", "$"), ("th", "t"), ("dh", "d"), ("ph", "f"))
_ARABIZI_LETTERS = str.maketrans(
    {"7": "h", "9": "k", "5": "X", "8": "h", "q": "k", "c": "k", "v": "f", "p": "b", "x": "$"}
)
_ARABIZI_VOWELS = re.compile(r"[aeiouwy2]")
_DOUBLED = re.compile(r"(.)\1+")
_ARABIC_ARTICLE = re.compile(r"^(?:[وفبك]?ال|لل)(?=\w{3})")
_AFFIX = re.compile(r"^(?:kn|kt|st|mst|[ntkmy])(?=.{3})")
_STOP_WORDS = FRENCH_WORDS | ENGLISH_WORDS | DARIJA_FUNCTION_WORDS | STANDARD_ARABIC_FUNCTION_WORDS
_ARABIZI_STOP_WORDS = ARABIZI_FUNCTION_WORDS | FRENCH_WORDS


Alternatives = frozenset[str]
"""The terms that one word may stand for: a word of Arabizi may be Darija or a French loan."""


def question_terms(text: str, *, arabizi: bool = False) -> tuple[Alternatives, ...]:
    """Return what `text` asks about, one item for each word that carries meaning, without repetition.

    Latin words become stems. Arabic words, and with `arabizi` Latin ones too, become consonant skeletons
    (`=rj3` for نرجع, الإرجاع and nrje3), so that both scripts of Darija meet.
    """
    words = _WORD.findall(fold_arabic(fold_latin(text)))
    return tuple(dict.fromkeys(found for word in words if (found := _alternatives(word, arabizi=arabizi))))


def text_terms(text: str, *, arabizi: bool = False) -> frozenset[str]:
    """Return all terms of `text`, comparable with those of a question."""
    return frozenset().union(*question_terms(text, arabizi=arabizi))


def _alternatives(word: str, *, arabizi: bool) -> Alternatives:
    if _ARABIC.match(word):
        return _arabic_term(word)
    return _arabizi_terms(word) if arabizi else _latin_term(word)


@lru_cache(maxsize=8192)
def _latin_term(word: str) -> Alternatives:
    if word in _STOP_WORDS or len(word) < 2:
        return frozenset()
    stem = word.replace("y", "i")
    shorter = _SUFFIX.sub("", stem)
    return frozenset({(shorter if len(shorter) >= 3 else stem)[:_STEM_LENGTH]})


@lru_cache(maxsize=8192)
def _arabic_term(word: str) -> Alternatives:
    if word in _STOP_WORDS:
        return frozenset()
    bare = _DOUBLED.sub(r"\1", _ARABIC_ARTICLE.sub("", word))
    return _skeleton(bare.removesuffix("ه").translate(_CONSONANTS))


@lru_cache(maxsize=8192)
def _arabizi_terms(word: str) -> Alternatives:
    if word in _ARABIZI_STOP_WORDS:
        return frozenset()
    letters = _DOUBLED.sub(r"\1", word)
    for digraph, letter in _ARABIZI_DIGRAPHS:
        letters = letters.replace(digraph, letter)
    consonants = _ARABIZI_VOWELS.sub("", letters.translate(_ARABIZI_LETTERS))
    bare = consonants[1:] if consonants.startswith("l") and len(consonants) > 3 else consonants
    loan = word[1:] if word.startswith("l") and word[1:2] not in "aeiou'" else word
    return _skeleton(bare) | _latin_term(loan)


def _skeleton(consonants: str) -> Alternatives:
    root = _AFFIX.sub("", consonants)
    return frozenset({f"={root}"} if len(root) >= 2 else ())
