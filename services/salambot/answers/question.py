"""A customer's question: what it asks for, and which of its words an answer has to speak of."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from salambot.answers.matching import only_asks
from salambot.core.schemas import Language
from salambot.language.analysis import Token, analyse
from salambot.language.detection import fold_latin
from salambot.language.normalisation import normalise

MAX_QUESTION_CHARS = 2_000
"""A longer message hardly asks one thing."""
_MAX_TOKENS = 48
_WORDS_OF_A_SIDE = 2
_JOINT = re.compile(
    r"\s+(?:et|ou|and|or|vs\.?|versus|wla|ola|w|o|par rapport a|than|que)\s+|\s+(?:او|ولا|ام|مقابل)\s+|\s+و\s?(?=\S)"
)
"""What stands between the two sides of a comparison."""


@dataclass(frozen=True, slots=True)
class Question:
    """`kinds` are those of kinds.toml. `tokens` leaves out the words that only ask.

    `sides` are what each side of a comparison says and the other does not, or empty.
    """

    text: str
    language: Language
    kinds: frozenset[str]
    tokens: tuple[Token, ...]
    sides: tuple[tuple[Token, ...], ...] = ()


def fold(text: str) -> str:
    """Return `text` as the patterns of kinds.toml expect it."""
    return fold_latin(normalise(text)).replace("’", "'")


@lru_cache(maxsize=512)
def understand(text: str, language: Language) -> Question:
    """Analyse a question."""
    looked_at = text[:MAX_QUESTION_CHARS]
    folded = fold(looked_at)
    kinds = frozenset(name for name, (asks, _) in _kinds().items() if asks.search(folded))
    tokens = tuple(_tokens(looked_at, language))
    sides = _sides(folded, language) if "compare" in kinds else ()
    return Question(looked_at, language, _without_vague(kinds), tokens, sides)


def _sides(folded: str, language: Language) -> tuple[tuple[Token, ...], ...]:
    """Return the words nearest to the joint of a comparison, on both sides, without those that both have."""
    texts = _JOINT.split(folded, maxsplit=1)
    if len(texts) < 2:
        return ()
    before, after = (tuple(_tokens(text, language)) for text in texts)
    before, after = before[-_WORDS_OF_A_SIDE:], after[:_WORDS_OF_A_SIDE]
    one = tuple(token for token in before if token not in after) or before
    other = tuple(token for token in after if token not in before) or after
    return (one, other) if one and other and one != other else ()


def _without_vague(kinds: frozenset[str]) -> frozenset[str]:
    """`combien de temps` asks for a duration: that `combien` may ask for a price too means nothing then."""
    return kinds - {"price", "time"} if "duration" in kinds else kinds


def _tokens(text: str, language: Language) -> Iterator[Token]:
    for token in list(dict.fromkeys(analyse(text, language)))[:_MAX_TOKENS]:
        if not only_asks(token):
            yield token


def looks_like(kind: str, text: str) -> bool:
    """Return True if a text holds what an answer to such a question holds, an amount for a price."""
    return _kinds()[kind][1].search(fold(text)) is not None


def asks_for(kind: str, text: str) -> bool:
    """Return True if a text names a kind of answer, as a column `Prix` does."""
    return _kinds()[kind][0].search(fold(text)) is not None


@cache
def _kinds() -> dict[str, tuple[re.Pattern[str], re.Pattern[str]]]:
    with Path(__file__).with_name("kinds.toml").open("rb") as file:
        table: dict[str, dict[str, str]] = tomllib.load(file)
    return {name: (re.compile(kind["asks"]), re.compile(kind["looks"])) for name, kind in table.items()}
