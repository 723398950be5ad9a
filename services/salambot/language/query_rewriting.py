"""Find what a short message leans on of what was said before: "et pour Rabat ?", "و الثمن؟", "w ch7al?"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from salambot.core.schemas import Language, Turn
from salambot.language.analysis import CONCEPT, analyse
from salambot.language.detection import detect_turn, fold_arabic, fold_latin
from salambot.language.small_talk import detect_small_talk

_SHORT = 7
"""Words: who says as many asks a question of its own."""
_LEANS = re.compile(
    r"\W*(?:et|and|mais|sinon|ou bien|what about|how about|w|o|u|ou|wa|و|ولا)\b"
    r"|\W*و(?:ال|شحال|بشحال|فين|في|الا|ديال|علاش|واش|ل)"
)
_MAX_LENGTH = 1_000
"""Characters of an earlier turn that are looked at."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A message, and the earlier question that it may lean on: empty where it stands for itself."""

    prompt: str
    before: str = ""

    @property
    def whole(self) -> str:
        """Return both as one text."""
        return f"{self.before} {self.prompt}" if self.before else self.prompt


def read(prompt: str, context: Sequence[Turn]) -> Reading:
    """Return what `prompt` asks after `context`, oldest first.

    The earlier question only helps to find the passage: what the message itself asks weighs more, so that a question
    on something else is not answered by what was asked before.
    """
    if len(prompt.split(maxsplit=_SHORT)) >= _SHORT and not _leans(prompt):
        return Reading(prompt)
    before = next((turn.content for turn in reversed(context) if _is_a_question_of_its_own(turn)), "")
    return Reading(prompt, _without_replaced(before[:_MAX_LENGTH], prompt))


def _without_replaced(before: str, prompt: str) -> str:
    """Drop the number, place or day of an earlier question that `et en 50 ml ?` or `et à Salé ?` replaces."""
    replaced = {kind for word in prompt.split() if (kind := _closed_class(word))}
    return " ".join(word for word in before.split() if _closed_class(word) not in replaced)


def _closed_class(word: str) -> str | None:
    """Return `number`, `place` or `day` for a word of such a class."""
    for token in analyse(word, "fr"):
        if token.is_number:
            return "number"
        for kind in ("place", "day"):
            if any(concept.startswith(f"{CONCEPT}{kind}-") for concept in token.concepts):
                return kind
    return None


def readings(prompt: str, context: Sequence[Turn]) -> tuple[Reading, ...]:
    """Return what a message may ask, the likeliest first: a short one may be a question of its own."""
    first = read(prompt, context)
    return (first, Reading(prompt)) if first.before and not _leans(prompt) else (first,)


def detect_in_context(prompt: str, context: Sequence[Turn], locale: str | None = None) -> Language:
    """Return the language of a message: a short one takes that of its conversation, oldest turn first."""
    spoken: Language | None = None
    for turn in context:
        if turn.role == "user":
            spoken = detect_turn(turn.content, spoken, locale)
    return detect_turn(prompt, spoken, locale)


def _is_a_question_of_its_own(turn: Turn) -> bool:
    return turn.role == "user" and detect_small_talk(turn.content) is None and not _leans(turn.content)


def _leans(text: str) -> bool:
    return _LEANS.match(fold_arabic(fold_latin(text[:40]))) is not None
