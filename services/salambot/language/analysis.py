"""From text to terms: what a document is indexed under and what a question looks for."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import Stemmer

from salambot.language.detection import fold_latin
from salambot.language.normalisation import is_arabic, normalise, words
from salambot.language.skeleton import fold_arabizi, skeletons
from salambot.language.stopwords import is_stopword

VERSION = "4"
"""Part of the manifest's pipeline: raise it when the terms of a text change."""

_STEMMERS = {"fr": "french", "en": "english", "ar": "arabic"}
_ARABIZI_DIGIT = re.compile(r"[a-z][23579]|[23579][a-z]{2}")
_ELIDED_ARTICLE = re.compile(r"^l(?=[^aeiou\W])")
SKELETON, HEARD, CONCEPT = "~", "^", "#"
"""Prefixes of terms that are not stems."""
_PROCLITICS = frozenset(["ل", "ب", "ف", "و", "ك", "لل", "ول", "وب", "وف", "وك", "f", "l", "b", "w", "d"])
"""`to`, `in`, `and` are written with the word that they stand before: `لكازا` and `fcasa` speak of the town too."""
_SHORTEST_NAME = 3
_EXACT = ("place-", "day-")
_JOINT = "-"
"""Joins the words of a phrase; no word has one."""
_SHORTEST_KEY = {SKELETON: 4, HEARD: 5, "": 4}
"""Characters of a form from which on it stands for a concept: shorter ones are too many things."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word that says something. `forms` are the terms it is found under; `concepts` those of its meaning."""

    word: str
    forms: tuple[str, ...]
    concepts: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Return whether this is a bare number, which seldom is what a question is about."""
        return self.word[0].isdigit() and self.forms[0] == self.word


def analyse(text: str, language: str) -> list[Token]:
    """Return the tokens of `text`, written mainly in `language` (a `Language`), stop words left out, in order."""
    return [
        token for word in _phrases(words(normalise(text)), language) if (token := _token(word, language)) is not None
    ]


def _phrases(found: list[str], language: str) -> Iterator[str]:
    """Join what is listed as one, `money back` or `send it back`: two words with at most a stop word between."""
    at = 0
    while at < len(found):
        for end in (at + 1, at + 2) if found[at] in _first_words() else ():
            joined = end < len(found) and f"={found[at]}{_JOINT}{found[end]}" in _concepts()
            if joined and (end == at + 1 or is_stopword(found[at + 1], language)):
                yield found[at] + _JOINT + found[end]
                at = end
                break
        else:
            yield found[at]
        at += 1


@lru_cache(maxsize=16384)  # what a shop says often; all that a large corpus says would fill the memory
def _token(word: str, language: str) -> Token | None:
    folded = word if is_arabic(word) else fold_latin(word)
    if _JOINT in word:
        return _phrase(word, folded, language)
    if _says_nothing(word, folded, language):
        return None
    forms = tuple(dict.fromkeys(_forms(word, folded, language)))
    concepts = sorted(_concepts_of(word, folded, forms))
    return Token(folded, forms, tuple(CONCEPT + concept for concept in concepts))


def _phrase(phrase: str, folded: str, language: str) -> Token:
    """Return one token for a listed phrase: it is found under its words too, and means what it is listed as."""
    parts = [token for word in phrase.split(_JOINT) if (token := _token(word, language)) is not None]
    forms = dict.fromkeys((folded, *(token.forms[0] for token in parts)))
    concepts = sorted(_concepts().get(f"={phrase}") or _concepts()[f"={folded}"])
    return Token(folded, tuple(forms), tuple(CONCEPT + concept for concept in concepts))


def _says_nothing(word: str, folded: str, language: str) -> bool:
    """Stop words say nothing, except those that ask where, when or how much: they are listed as concepts."""
    if f"={word}" in _concepts():
        return False
    return is_stopword(folded, language) or (len(folded) < 2 and not folded.isdigit())


def _forms(word: str, folded: str, language: str) -> Iterator[str]:
    """Yield the stems first, then the skeletons of what may be Arabic under the letters."""
    if is_arabic(word):
        yield _stem(word, "ar")
        yield from (SKELETON + skeleton for skeleton in skeletons(word))
        yield from (HEARD + fold_arabizi(skeleton) for skeleton in skeletons(word))
        return
    if folded[0].isdigit() and not _ARABIZI_DIGIT.search(folded):
        yield folded
        return
    arabizi = language == "ary-Latn" or _ARABIZI_DIGIT.search(folded) is not None
    yield from _latin_stems(word, folded, "en" if language == "en" else "fr")
    if arabizi:
        yield from _latin_stems(_ELIDED_ARTICLE.sub("", word), _ELIDED_ARTICLE.sub("", folded), "fr")
        yield from (HEARD + fold_arabizi(skeleton) for skeleton in skeletons(folded))


def _latin_stems(word: str, folded: str, language: str) -> Iterator[str]:
    """People leave accents out, and a stemmer treats `remboursé` and `rembourse` differently: yield both stems."""
    yield fold_latin(_stem(word, language))
    yield _stem(folded, language)


def stems_of(word: str, language: str) -> tuple[str, ...]:
    """Return the stems that a normalised word of a language (fr, en or ar) is indexed under."""
    folded = word if is_arabic(word) else fold_latin(word)
    found = (_stem(word, "ar"),) if is_arabic(word) else _latin_stems(word, folded, language)
    return tuple(dict.fromkeys(found))


def _stem(word: str, language: str) -> str:
    stem: str = _stemmer(_STEMMERS[language]).stemWord(word)
    return stem


@cache
def _stemmer(name: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(name)


def _concepts_of(word: str, folded: str, forms: tuple[str, ...]) -> set[str]:
    """Return what a word means: by itself, else by its stems, else by its skeletons, the surest that knows it."""
    table = _concepts()
    if by_word := table.get(f"={word}") or table.get(f"={folded}"):
        return set(by_word)
    if by_bare_word := _without_proclitic(folded):
        return by_bare_word
    for kind in ("", SKELETON, HEARD):
        if kind == HEARD and is_arabic(word):
            break
        if found := {concept for form in forms if _kind(form) == kind for concept in table.get(form, ())}:
            return found
    return set()


def _without_proclitic(word: str) -> set[str]:
    """Return the place or day that a word names behind a proclitic: of other words too many only seem to have one."""
    for cut in (1, 2):
        found = _concepts().get(f"={word[cut:]}", ()) if word[:cut] in _PROCLITICS else ()
        if found and len(word) - cut >= _SHORTEST_NAME and all(name.startswith(_EXACT) for name in found):
            return set(found)
    return set()


def _kind(form: str) -> str:
    return form[0] if form[0] in {SKELETON, HEARD} else ""


@cache
def _concepts() -> dict[str, tuple[str, ...]]:
    """Map words and forms to the concepts they name. Read once: about sixty lines."""
    found: dict[str, dict[str, None]] = {}
    for concept, listed in _table().items():
        for word in normalise(listed).split():
            folded = fold_latin(word)
            # `où` asks where and `ou` says nothing: of a stop word only the listed spelling counts.
            found.setdefault(f"={word if _is_listed_stopword(folded) else folded}", {})[concept] = None
            if _is_listed_stopword(folded):
                continue
            for form in _concept_forms(word):
                if len(form) >= _SHORTEST_KEY[_kind(form)]:
                    found.setdefault(form, {})[concept] = None
    return {form: tuple(concepts) for form, concepts in found.items()}


@cache
def _first_words() -> frozenset[str]:
    """Return the words that a listed phrase begins with."""
    return frozenset(key[1:].partition(_JOINT)[0] for key in _concepts() if _JOINT in key)


def _is_listed_stopword(folded: str) -> bool:
    return any(is_stopword(folded, language) for language in ("fr", "en", "ary-Latn"))


def _table() -> dict[str, str]:
    """Read the concepts; each place and each day is one of its own, named `place-…` and `day-…`."""
    folder = Path(__file__).parent
    table: dict[str, str] = tomllib.loads((folder / "concepts.toml").read_text(encoding="utf-8"))
    exact = tomllib.loads((folder / "places.toml").read_text(encoding="utf-8"))
    return table | {f"{kind}-{name}": words for kind, named in exact.items() for name, words in named.items()}


def _concept_forms(word: str) -> Iterator[str]:
    """Yield what a listed word is recognised by: its stems in each language, and its plain skeletons."""
    folded = fold_latin(word)
    if is_arabic(word):
        yield _stem(word, "ar")
        yield from (SKELETON + form for form in skeletons(word)[:2])
        yield from (HEARD + fold_arabizi(form) for form in skeletons(word)[:2])
        return
    for language in ("fr", "en"):
        yield from _latin_stems(word, folded, language)
    if _ARABIZI_DIGIT.search(folded):
        yield from (HEARD + fold_arabizi(form) for form in skeletons(folded)[:2])
