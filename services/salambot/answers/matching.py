"""How far a text speaks of the words of a question: by stem, meaning, sound across scripts, and shared beginnings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

from salambot.language.analysis import Token, analyse
from salambot.language.normalisation import is_arabic
from salambot.language.skeleton import fold_arabizi, skeletons

_BY_FORM, _BY_MEANING, _BY_SOUND, _BY_BEGINNING = 1.0, 0.8, 0.7, 0.6
_SHORTEST_SOUND, _SHORTEST_BEGINNING = 3, 5
_COMMON_BEGINNING = 0.6
"""Of the longer word: `assurance` and `assured` are one, `portail` and `portable` are not."""
_KIND_CONCEPTS = {
    "price": frozenset({"#fee", "#money", "#pay", "#free"}),
    "duration": frozenset({"#delay", "#hours"}),
    "time": frozenset({"#delay", "#hours"}),
    "place": frozenset({"#address"}),
    "contact": frozenset({"#contact"}),
}
"""Concepts that name a kind of answer: to a question of that kind, what looks like an answer says as much."""
_GENERIC = frozenset({"#order", "#product", "#package", "#buy", "#store"})
"""What nearly everything in a shop is about."""
_NAMES = frozenset().union(*_KIND_CONCEPTS.values(), _GENERIC)
_ASKING = frozenset({"#howmuch", "#where", "#when", "#way"})
_RARITY = 0.6
_LIGHT, _NUMBER_WEIGHT = 0.45, 0.5


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms by which a text is compared."""

    terms: frozenset[str]
    words: frozenset[str]
    sounds: frozenset[str]


@lru_cache(maxsize=8192)
def terms_of(text: str, language: str) -> Terms:
    """Analyse a text of the documents."""
    tokens = analyse(text, language)
    words = frozenset(token.word for token in tokens if not only_asks(token))
    return Terms(
        frozenset(term for token in tokens for term in (*token.forms, *token.concepts)),
        words,
        frozenset(sound for word in words for sound in _sounds(word)),
    )


def join(parts: Iterable[Terms]) -> Terms:
    """Return the terms of several texts together."""
    listed = list(parts)
    return Terms(
        frozenset().union(*(part.terms for part in listed)),
        frozenset().union(*(part.words for part in listed)),
        frozenset().union(*(part.sounds for part in listed)),
    )


@lru_cache(maxsize=16384)
def match(token: Token, terms: Terms) -> float:
    """Return how surely a text says this word, 0 to 1."""
    if token.forms[0] in terms.terms or token.word in terms.words:
        return _BY_FORM
    if not terms.terms.isdisjoint(token.forms[1:]) or not terms.terms.isdisjoint(_meanings(token)):
        return _BY_MEANING
    if token.is_number:
        return 0.0
    if not terms.sounds.isdisjoint(_sounds_in_the_other_script(token.word)):
        return _BY_SOUND
    return _BY_BEGINNING if any(_begin_alike(token.word, word) for word in terms.words) else 0.0


def _meanings(token: Token) -> tuple[str, ...]:
    """No two cities are alike, though the table of concepts has one line for them."""
    return tuple(concept for concept in token.concepts if concept != "#place")


def _sounds(word: str) -> frozenset[str]:
    """Return how a word's consonants sound, marked with its script: within one script words are compared by stems."""
    return _marked(word, "arabic" if is_arabic(word) else "latin")


def _sounds_in_the_other_script(word: str) -> frozenset[str]:
    return _marked(word, "latin" if is_arabic(word) else "arabic")


@lru_cache(maxsize=16384)
def _marked(word: str, script: str) -> frozenset[str]:
    forms = (form for form in skeletons(word)[:2] if len(form) >= _SHORTEST_SOUND)
    return frozenset(f"{script} {fold_arabizi(form)}" for form in forms)


def _begin_alike(one: str, other: str) -> bool:
    if min(len(one), len(other)) < _SHORTEST_BEGINNING or is_arabic(one) or is_arabic(other):
        return False
    common = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return common >= max(_SHORTEST_BEGINNING, _COMMON_BEGINNING * max(len(one), len(other)))


def weigh(tokens: Sequence[Token], kinds: Iterable[str], texts: Sequence[Terms]) -> Mapping[Token, float]:
    """Weigh each word by how few of these texts hold it; a word that none holds weighs as the rarest."""
    light = _GENERIC.union(*(_KIND_CONCEPTS.get(kind, ()) for kind in kinds))
    count = len(texts)
    return {token: _weight(token, light, sum(match(token, text) > 0 for text in texts), count) for token in tokens}


def _weight(token: Token, light: frozenset[str], holding: int, count: int) -> float:
    """Retrieval chose these texts by the same words: how many of them hold one tells a little only."""
    rarity = log(1 + (count - holding + 0.5) / (holding + 0.5)) / log(2 * count + 2)
    weight = 1 - _RARITY + _RARITY * rarity
    if token.is_number:
        return _NUMBER_WEIGHT * weight
    if token.concepts and light.issuperset(token.concepts):
        return _LIGHT * weight
    return weight


def only_asks(token: Token) -> bool:
    """Return True if a word asks, as `combien` does, and says nothing of what about."""
    return bool(token.concepts) and _ASKING.issuperset(token.concepts)


def names_a_kind(token: Token) -> bool:
    """Return True if a word only names a kind of answer, such as a price."""
    return bool(token.concepts) and _NAMES.issuperset(token.concepts)


def coverage(weights: Mapping[Token, float], terms: Terms) -> float:
    """Return the share of a question's weight that a text speaks of."""
    total = sum(weights.values())
    return sum(weight * match(token, terms) for token, weight in weights.items()) / total if total else 0.0
