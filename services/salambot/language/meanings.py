"""The meaning of words across languages: one vector a stem, from a table, so that `caution` finds `deposit` and `ضمان`.

The table is made by tools/meanings.py; Darija, which no model knows, goes through the French words of darija.toml.
"""

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salambot.language.analysis import CONCEPT, HEARD, SKELETON, Token, analyse
from salambot.language.normalisation import is_arabic

FILE = Path(__file__).with_name("meanings.npz")
DIMENSIONS = 64
SCALE = 256.0
"""A component times this is a signed byte."""
RARE = 2.0
"""Zipf frequency of a word that is not in the table."""
_TENTHS = 10
_DARIJA = frozenset({"ary", "ary-Latn"})
_SHORTEST_SOUND = 4
"""Characters of a skeleton, its mark included: a shorter one is the sound of too many words."""
_LATIN_ORDER = {"fr": ("fr", "en"), "en": ("en", "fr"), "ary-Latn": ("fr", "en")}

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Table:
    rows: dict[str, int]
    vectors: Vectors
    frequencies: Vectors


def row_of(token: Token, language: str) -> int | None:
    """Return the row of a token's meaning in the table, None where it is not known."""
    return _row(token.forms, language)


def rows_of(terms: Collection[str], language: str) -> NDArray[np.intp]:
    """Return the rows of all the meanings that an index's terms of one passage have."""
    found = {row for term in terms if (row := _row((term,), language)) is not None}
    return np.array(sorted(found), dtype=np.intp)


def vectors_of(rows: NDArray[np.intp]) -> Vectors:
    """Return the unit vectors of rows, shape (rows, dimensions)."""
    return _table().vectors[rows]


def frequency_of(token: Token, language: str) -> float:
    """Return how common a token is in its language at large, as a Zipf frequency: 7 `le`, 4 `assurance`, 2 unknown."""
    row = _row(token.forms, language)
    return RARE if row is None else float(_table().frequencies[row])


def sentence(rows: NDArray[np.intp]) -> Vectors:
    """Return the mean meaning of rows, rare words first, as a unit vector; zero where there are none."""
    table = _table()
    weights = np.maximum(0.1, (7.0 - table.frequencies[rows]) / 5.0)
    total: Vectors = weights @ table.vectors[rows]
    length = float(np.linalg.norm(total))
    return total / length if length else np.zeros(table.vectors.shape[1], dtype=np.float32)


@lru_cache(maxsize=65536)
def _row(forms: tuple[str, ...], language: str) -> int | None:
    """The Darija of a text in Darija first: `3am` and `حوت` are other words elsewhere."""
    if language in _DARIJA:
        for form in forms:
            if (row := _darija().get(form)) is not None:
                return row
    rows = _table().rows
    for form in forms:
        if form[0] in {SKELETON, HEARD, CONCEPT}:
            continue
        for name in ("ar",) if is_arabic(form) else _LATIN_ORDER.get(language, ("fr", "en")):
            if (row := rows.get(f"{name}:{form}")) is not None:
                return row
    return None


@cache
def _table() -> _Table:
    """Read the table once: 10 MB, 50 ms. The last rows are those of Darija."""
    with np.load(FILE) as data:
        keys = bytes(data["keys"]).decode().split("\n")
        vectors = data["vectors"].astype(np.float32)
        frequencies = data["frequencies"].astype(np.float32) / _TENTHS
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return _Table({key: row for row, key in enumerate(keys)}, vectors, frequencies)


@cache
def _darija() -> dict[str, int]:
    """Map the forms of Darija words to the row of the French word that they stand for."""
    rows = _table().rows
    found: dict[str, int] = {}
    listed = tomllib.loads(FILE.with_name("darija.toml").read_text(encoding="utf-8"))
    for french, spellings in listed.items():
        named = [rows[key] for token in analyse(french, "fr") if (key := f"fr:{token.forms[0]}") in rows]
        if not named:
            continue
        for spelling in spellings.split():
            for token in analyse(spelling, "ary" if is_arabic(spelling) else "ary-Latn"):
                _add(found, token, named[0])
    return found


def _add(found: dict[str, int], token: Token, row: int) -> None:
    for form in token.forms:
        if form[0] not in {SKELETON, HEARD} or len(form) >= _SHORTEST_SOUND:
            found.setdefault(form, row)
