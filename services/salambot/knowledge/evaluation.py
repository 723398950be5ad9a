"""How well a tenant's index answers labelled questions: recall, reciprocal rank, and answers that should not be."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from unicodedata import normalize

import orjson

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question, the group it is reported under, and the passages that answer it: none when nothing should."""

    text: str
    group: str
    answers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares, 0 to 1. `false_answers` is None where the set holds no unanswerable question, the others likewise."""

    questions: int
    recall_1: float | None
    recall_3: float | None
    mrr: float | None
    false_answers: float | None


Results = Mapping[LabelledQuestion, Sequence[str]]
"""The ids of what was returned for each question, best first."""


def measure(results: Results) -> Figures:
    """Return the figures of these results. A result of an unanswerable question is a false answer."""
    answerable = [(question.answers, found) for question, found in results.items() if question.answers]
    unanswerable = [found for question, found in results.items() if not question.answers]
    ranks = [_rank(answers, found) for answers, found in answerable]
    return Figures(
        questions=len(results),
        recall_1=_share(ranks, lambda rank: rank == 1),
        recall_3=_share(ranks, lambda rank: 1 <= rank <= 3),
        mrr=sum(1 / rank for rank in ranks if rank) / len(ranks) if ranks else None,
        false_answers=_share(unanswerable, bool),
    )


def by_group(results: Results) -> dict[str, Figures]:
    """Return the figures of each group, and of `all`."""
    groups: defaultdict[str, dict[LabelledQuestion, Sequence[str]]] = defaultdict(dict)
    for question, found in results.items():
        groups[question.group][question] = found
    return {group: measure(members) for group, members in sorted(groups.items())} | {"all": measure(results)}


def read_questions(lines: Iterable[str], tenant: str) -> list[LabelledQuestion]:
    """Read JSON Lines `{"question", "answers": ["path" or "path#chunk", ...], "group"?}`; no answers: unanswerable.

    Raises ValueError that names the line.
    """
    questions = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            given = orjson.loads(line)
            answers = frozenset(normalize("NFC", f"{tenant}/{answer}") for answer in given["answers"])
            questions.append(LabelledQuestion(str(given["question"]), str(given.get("group", "all")), answers))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f'line {number} is not {{"question": …, "answers": […]}}') from error
    return questions


def _rank(answers: frozenset[str], found: Sequence[str]) -> int:
    """Return the position of the first right one, from 1; 0 when there is none."""
    named = (normalize("NFC", item) for item in found)  # a name may be composed in one place and not in another
    return next((at for at, item in enumerate(named, 1) if {item, item.rpartition("#")[0]} & answers), 0)


def _share(items: Sequence[_Item], holds: Callable[[_Item], bool]) -> float | None:
    return sum(map(holds, items)) / len(items) if items else None
