"""A question, analysed once: its tokens, what each weighs in this index, and how much of it a passage covers."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from salambot.core.schemas import Language
from salambot.language.analysis import CONCEPT, HEARD, Token, analyse
from salambot.language.detection import detect, detect_turn
from salambot.language.normalisation import is_arabic

LOOKED_AT = 2000
"""Characters: a longer message hardly asks one thing."""
_MAX_TOKENS = 48
_STEM, _VARIANT, _CONCEPT, _HEARD = 1.0, 0.75, 0.8, 0.4
"""Weights of a match: by stem, by variant, by concept, by phonetic form."""
_SHORT_HEARD = 4
"""Characters of a sound that many words share: three consonants and the mark."""
_UNKNOWN = 2.2
"""Of the highest weight: what no document holds may be filler, and when it is the point, everything else misses it."""

GENERIC = frozenset(
    {"#order", "#product", "#package", "#money", "#buy", "#where", "#when", "#howmuch", "#delay", "#way"}
)
"""Concepts that nearly every document of a shop contains."""
_PLACE, _DAY = CONCEPT + "place-", CONCEPT + "day-"
"""What the concepts of places and days begin with. A place alone is never the point, and no two are alike."""
_BEFORE = 0.35
"""What a word of the question before counts beside one of this question."""
_MEASURES = frozenset({"#when", "#howmuch", "#delay", "#place"})
_NUMBER, _GENERIC, _NAMED = 0.3, 0.5, 1.8
"""Weights of bare numbers, generic concepts and other concepts, relative to an ordinary word."""


@dataclass(frozen=True, slots=True)
class AnalysedQuery:
    """`tokens` is empty when nothing was asked: an emoji, a greeting, punctuation."""

    text: str
    language: Language
    tokens: tuple[Token, ...]
    shares: tuple[float, ...]
    """The weight of each token: 1, or less for one of an earlier question."""

    @property
    def terms(self) -> list[str]:
        """Every term to look up."""
        return list(dict.fromkeys(term for token in self.tokens for term in (*token.forms, *token.concepts)))


@dataclass(frozen=True)
class WeightedQuery:
    """A question against one index: the weight of each token, and of each term."""

    question: AnalysedQuery
    tokens: tuple[float, ...]
    terms: Mapping[str, float]

    def coverage(self, terms: Collection[str]) -> float:
        """Return how much of the question's weight a passage with these terms covers, 0 to 1."""
        total = sum(self.tokens)
        pairs = zip(self.question.tokens, self.tokens, strict=True)
        return sum(weight * match(token, terms) for token, weight in pairs) / total

    def matches_key_term(self, terms: Collection[str]) -> bool:
        """Return whether a passage with these terms says anything of what the question is about.

        A question of generic words only has no point to miss; one of numbers and measures only has none to find.
        """
        points = [token for token in self.question.tokens if not _is_generic(token)]
        if not points:
            return any(not _MEASURES.issuperset(token.concepts) for token in self.question.tokens)
        return any(match(token, terms) for token in points)

    def is_generic(self, at: int) -> bool:
        """Return True if the token at this position seldom is the point of a question."""
        return _is_generic(self.question.tokens[at])

    def is_known(self, at: int) -> bool:
        """Return True if any document holds the token at this position, in any form."""
        token = self.question.tokens[at]
        return any(term in self.terms for term in (*token.forms, *token.concepts))

    def heading_share(self, heading: Sequence[Token]) -> float:
        """Return which share of a heading the question asks for, 0 to 1."""
        if not heading:
            return 0.0
        asked = self.asked
        return sum(not asked.isdisjoint((*token.forms, *token.concepts)) for token in heading) / len(heading)

    @cached_property
    def asked(self) -> frozenset[str]:
        """Every term of the question."""
        return frozenset(self.question.terms)


def analyse_query(text: str, before: str = "") -> AnalysedQuery:
    """Analyse a question, with the one before it where this one leans on that."""
    looked_at = text[:LOOKED_AT]
    language = detect_turn(looked_at, detect(before) if before else None)
    shares = dict.fromkeys(map(_as_asked, analyse(looked_at, language)), 1.0)
    for token in map(_as_asked, analyse(before[:LOOKED_AT], language)):
        shares.setdefault(token, _BEFORE)
    whole = f"{before[:LOOKED_AT]} {looked_at}" if before else looked_at
    kept = dict(list(shares.items())[:_MAX_TOKENS])
    return AnalysedQuery(whole, language, tuple(kept), tuple(kept.values()))


def _as_asked(token: Token) -> Token:
    """Drop phonetic forms for words in Arabic script; they exist to match Arabizi spellings."""
    if not is_arabic(token.word):
        return token
    forms = tuple(form for form in token.forms if not form.startswith(HEARD))
    return Token(token.word, forms, token.concepts)


def weight_query(question: AnalysedQuery, frequencies: Mapping[str, int], chunks: int) -> WeightedQuery:
    """Weigh a question by how many of the index's `chunks` hold each term."""
    terms = {term: _idf(count, chunks) for term, count in frequencies.items()}
    unknown = _UNKNOWN * _idf(0, chunks)
    weights = (_token_weight(token, terms, unknown) for token in question.tokens)
    shared = tuple(weight * share for weight, share in zip(weights, question.shares, strict=True))
    return WeightedQuery(question, shared, terms)


def _idf(count: int, chunks: int) -> float:
    return math.log(1 + (max(chunks, count) - count + 0.5) / (count + 0.5))


def _token_weight(token: Token, terms: Mapping[str, float], unknown: float) -> float:
    """The rarest form decides: a stem that stands in few documents says more than a concept that stands in many."""
    known: Sequence[float] = [terms[term] for term in (*token.forms, *token.concepts) if term in terms]
    weight = max(known) if known else unknown
    if token.is_number:
        return _NUMBER * weight
    if _is_generic(token):
        return _GENERIC * weight
    return _NAMED * weight if token.concepts else weight


def is_place(token: Token) -> bool:
    """Return True if a token names a town or a country."""
    return any(concept.startswith(_PLACE) for concept in token.concepts)


def is_exact(token: Token) -> bool:
    """Return True if a token names one of a closed class, which nothing else is like: a place, a day, a number."""
    return token.is_number or any(concept.startswith((_PLACE, _DAY)) for concept in token.concepts)


def _is_generic(token: Token) -> bool:
    return token.is_number or is_place(token) or (bool(token.concepts) and GENERIC.issuperset(token.concepts))


def match(token: Token, terms: Collection[str]) -> float:
    if token.forms[0] in terms:
        return _STEM
    if any(concept in terms for concept in token.concepts):
        return _CONCEPT
    found = [form for form in token.forms[1:] if form in terms]
    if not found:
        return 0.0
    return _VARIANT if any(len(form) > _SHORT_HEARD or form[0] != HEARD for form in found) else _HEARD
