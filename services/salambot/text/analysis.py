"""From text to terms: what a document is indexed under and what a question looks for."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import Stemmer

from salambot.language import fold_latin
from salambot.text.normalisation import is_arabic, normalise, words
from salambot.text.skeleton import skeletons
from salambot.text.stopwords import STOPWORDS

VERSION = "1"
"""Part of the manifest's pipeline: raise it when the terms of a text change."""

_STEMMERS = {"fr": "french", "en": "english", "ar": "arabic", "ary": "arabic"}
_ARABIZI_DIGIT = re.compile(r"[a-z][23579]|[23579][a-z]{2}")
_ELIDED_ARTICLE = re.compile(r"^l(?=[^aeiou\W])")
_SKELETON, _CONCEPT = "~", "#"
_SHORT_CONCEPT = 3
"""A stem or skeleton must be as long before it stands for a concept: `fe` is the stem of fee, and of Fès."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word that says something. `forms` are the terms it is found under; `concepts` those of its meaning."""

    word: str
    forms: tuple[str, ...]
    concepts: tuple[str, ...] = ()


def analyse(text: str, language: str) -> list[Token]:
    """Return the tokens of `text`, written mainly in `language` (a `Language`), stop words left out, in order."""
    return [token for word in words(normalise(text)) if (token := _token(word, language)) is not None]


@lru_cache(maxsize=65536)
def _token(word: str, language: str) -> Token | None:
    folded = word if is_arabic(word) else fold_latin(word)
    if folded in STOPWORDS or word in STOPWORDS or (len(folded) < 2 and not folded.isdigit()):
        return None
    forms = tuple(dict.fromkeys(_forms(word, folded, language)))
    concepts = {concept for form in forms for concept in _concepts().get(form, ())}
    return Token(folded, forms, tuple(_CONCEPT + concept for concept in sorted(concepts)))


def _forms(word: str, folded: str, language: str) -> Iterator[str]:
    """Yield the stems first, then the skeletons of what may be Arabic under the letters."""
    if is_arabic(word):
        yield _stem(word, "ar")
        yield from (_SKELETON + skeleton for skeleton in skeletons(word))
        return
    if folded[0].isdigit() and not _ARABIZI_DIGIT.search(folded):
        yield folded
        return
    arabizi = language == "ary-Latn" or _ARABIZI_DIGIT.search(folded) is not None
    yield from _latin_stems(word, folded, "en" if language == "en" else "fr")
    if arabizi:
        yield from _latin_stems(_ELIDED_ARTICLE.sub("", word), _ELIDED_ARTICLE.sub("", folded), "fr")
        yield from (_SKELETON + skeleton for skeleton in skeletons(folded))


def _latin_stems(word: str, folded: str, language: str) -> Iterator[str]:
    """People leave accents out, and a stemmer treats `remboursé` and `rembourse` differently: yield both stems."""
    yield fold_latin(_stem(word, language))
    yield _stem(folded, language)


def _stem(word: str, language: str) -> str:
    stem: str = _stemmer(_STEMMERS[language]).stemWord(word)
    return stem


@cache
def _stemmer(name: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(name)


@cache
def _concepts() -> dict[str, tuple[str, ...]]:
    """Map each form to the concepts it names. Read once: about sixty lines."""
    with Path(__file__).with_name("concepts.toml").open("rb") as file:
        table: dict[str, str] = tomllib.load(file)
    found: dict[str, dict[str, None]] = {}
    for concept, listed in table.items():
        for word in normalise(listed).split():
            for form in _concept_forms(word):
                concepts = found.setdefault(form, {})
                if not (concepts and form.startswith(_SKELETON)):  # the first line wins: skeletons collide
                    concepts[concept] = None
    return {form: tuple(concepts) for form, concepts in found.items()}


def _concept_forms(word: str) -> Iterator[str]:
    """Yield what a listed word is recognised by: its stems in each language, and its plain skeletons."""
    folded = fold_latin(word)
    if is_arabic(word):
        yield _stem(word, "ar")
        yield from (_SKELETON + form for form in skeletons(word)[:2] if len(form) >= _SHORT_CONCEPT)
        return
    for language in ("fr", "en"):
        yield from (stem for stem in _latin_stems(word, folded, language) if len(stem) >= _SHORT_CONCEPT)
    if _ARABIZI_DIGIT.search(folded):
        yield from (_SKELETON + form for form in skeletons(folded)[:2] if len(form) >= _SHORT_CONCEPT)
