"""The kind of answer that a question asks for, such as a price or an hour, by the words of answer_kinds.toml."""

import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path

from salambot.language.detection import fold_latin
from salambot.language.normalisation import normalise

ANSWERED_BY_LOOKS = frozenset({"price", "duration", "time", "place", "contact", "age"})
"""Kinds that an answer shows by its form, an amount or a number of days."""


def fold(text: str) -> str:
    """Return `text` as the patterns of answer_kinds.toml expect it."""
    return fold_latin(normalise(text)).replace("’", "'")


def asked_kinds(text: str) -> frozenset[str]:
    """Return the kinds of answer that a question asks for.

    `combien de temps` asks for a duration: that `combien` may ask for a price too means nothing then.
    """
    folded = fold(text)
    kinds = frozenset(name for name, (asks, _) in _kinds().items() if asks.search(folded))
    return kinds - {"price", "time"} if "duration" in kinds else kinds


@lru_cache(maxsize=4096)
def answered_kinds(text: str, *, is_row: bool = False) -> frozenset[str]:
    """Return the kinds that a text looks like an answer to; remembered, because a passage is looked at again.

    A row answers what its columns name too: `Prix (DH): 85`.
    """
    folded = fold(text)
    kinds = [(name, *_kinds()[name]) for name in ANSWERED_BY_LOOKS]
    return frozenset(name for name, asks, looks in kinds if looks.search(folded) or (is_row and asks.search(folded)))


def looks_like(kind: str, text: str) -> bool:
    """Return True if a text holds what an answer to such a question holds, an amount for a price."""
    return _kinds()[kind][1].search(fold(text)) is not None


def asks_for(kind: str, text: str) -> bool:
    """Return True if a text names a kind of answer, as a column `Prix` does."""
    return _kinds()[kind][0].search(fold(text)) is not None


@cache
def _kinds() -> dict[str, tuple[re.Pattern[str], re.Pattern[str]]]:
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        table: dict[str, dict[str, str]] = tomllib.load(file)
    return {name: (re.compile(kind["asks"]), re.compile(kind["looks"])) for name, kind in table.items()}
