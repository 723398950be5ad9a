"""Words that say nothing about a question's subject, folded. They belong to a language: `car` is one in French only."""

import tomllib
from functools import cache
from pathlib import Path

from salambot.language.normalisation import is_arabic

_LISTS = {
    "fr": ("fr",),
    "en": ("en",),
    "ary-Latn": ("ary-Latn", "fr"),
    "ar": ("ary-Latn", "fr"),
    "ary": ("ary-Latn", "fr"),
}
"""Which lists the Latin words of a text in a language are looked up in. Arabic letters have one list."""


def is_stopword(folded: str, language: str) -> bool:
    """Return True if a folded word says nothing in a text that is mainly written in `language`."""
    return folded in (_stopwords("ar") if is_arabic(folded) else _stopwords(language, latin=True))


@cache
def _stopwords(language: str, *, latin: bool = False) -> frozenset[str]:
    table = _table()
    names = _LISTS.get(language, ("fr",)) if latin else (language,)
    return frozenset(word for name in names for word in table[name].split())


@cache
def _table() -> dict[str, str]:
    with Path(__file__).with_name("stopwords.toml").open("rb") as file:
        table: dict[str, str] = tomllib.load(file)
    return table
