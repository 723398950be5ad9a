"""The days that a text speaks of: `du lundi au jeudi` speaks of Tuesday too."""

import re
import tomllib
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from salambot.language.answer_kinds import fold

_EVERY = frozenset(range(7))
_WEEKEND = frozenset({5, 6})


class _Patterns(NamedTuple):
    day: re.Pattern[str]
    until: re.Pattern[str]
    every: re.Pattern[str]
    weekend: re.Pattern[str]


@lru_cache(maxsize=4096)
def days_of(text: str) -> frozenset[int]:
    """Return the days that a text names, 0 for Monday to 6 for Sunday."""
    folded, patterns = fold(text), _patterns()
    if patterns.every.search(folded):
        return _EVERY
    found = [(match, int((match.lastgroup or "d0")[1:])) for match in patterns.day.finditer(folded)]
    days = {day for _, day in found}
    for (first, start), (second, end) in pairwise(found):
        if patterns.until.fullmatch(folded[first.end() : second.start()]):
            days.update((start + step) % 7 for step in range((end - start) % 7))
    if patterns.weekend.search(folded):
        days |= _WEEKEND
    return frozenset(days)


@cache
def _patterns() -> _Patterns:
    with Path(__file__).with_name("days.toml").open("rb") as file:
        table = tomllib.load(file)
    names = "|".join(f"(?P<d{number}>{day})" for number, day in enumerate(table["days"]))
    return _Patterns(
        re.compile(rf"(?<!\w)(?:[وفب]|ل)?(?:{names})(?!\w)"),
        re.compile(rf"\s*(?:{table['to']})\s*(?:le |du |the |يوم |نهار )?"),
        re.compile(rf"(?<!\w)(?:{table['every']})(?!\w)"),
        re.compile(rf"(?<!\w)(?:{table['weekend']})(?!\w)"),
    )
