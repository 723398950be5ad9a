"""A customer's question: what it asks for, and which of its words an answer has to speak of."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from salambot.answers.matching import only_asks
from salambot.core.schemas import Language
from salambot.language.analysis import Token, analyse
from salambot.language.answer_kinds import asked_kinds, fold

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
    """`kinds` are those of answer_kinds.toml. `tokens` leaves out the words that only ask.

    `sides` are what each side of a comparison says and the other does not, or empty.
    """

    text: str
    language: Language
    kinds: frozenset[str]
    tokens: tuple[Token, ...]
    sides: tuple[tuple[Token, ...], ...] = ()


@lru_cache(maxsize=512)
def understand(text: str, language: Language) -> Question:
    """Analyse a question."""
    looked_at = text[:MAX_QUESTION_CHARS]
    folded = fold(looked_at)
    kinds = asked_kinds(looked_at)
    tokens = tuple(_tokens(looked_at, language))
    sides = _sides(folded, language) if "compare" in kinds else ()
    return Question(looked_at, language, kinds, tokens, sides)


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


def _tokens(text: str, language: Language) -> Iterator[Token]:
    for token in list(dict.fromkeys(analyse(text, language)))[:_MAX_TOKENS]:
        if not only_asks(token):
            yield token
