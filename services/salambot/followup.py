"""What a short message may mean after what was said before: "et pour Rabat ?", "و الثمن؟", "w ch7al?"."""

import re
from collections.abc import Sequence

from salambot.language import fold_arabic, fold_latin
from salambot.messages import Turn
from salambot.smalltalk import courtesy_of

_SHORT = 7
"""Words: who says as many asks a question of its own."""
_LEANS = re.compile(r"\W*(?:et|and|ou bien|what about|how about|w|o|u|ou|و)\b|\W*وال")
_LONGEST = 1_000
"""Characters of an earlier turn that are looked at."""


def readings(prompt: str, context: Sequence[Turn]) -> tuple[str, ...]:
    """Return the texts that retrieval may try for `prompt`, the likeliest first; one when it stands for itself."""
    if len(prompt.split(maxsplit=_SHORT)) >= _SHORT:
        return (prompt,)
    asked_before = next((turn.content for turn in reversed(context) if _is_a_question_of_its_own(turn)), None)
    if asked_before is None:
        return (prompt,)
    together = f"{asked_before[:_LONGEST]} {prompt}"
    return (together, prompt) if _leans(prompt) else (prompt, together)


def _is_a_question_of_its_own(turn: Turn) -> bool:
    return turn.role == "user" and courtesy_of(turn.content) is None and not _leans(turn.content)


def _leans(text: str) -> bool:
    return _LEANS.match(fold_arabic(fold_latin(text[:40]))) is not None
