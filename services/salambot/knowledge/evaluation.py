"""How well a tenant's questions are answered: recall, refusals, facts in the reply, wrong and false answers."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from unicodedata import normalize

import orjson

from salambot.language.answer_kinds import fold
from salambot.language.detection import detect

_Item = TypeVar("_Item")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[,.](?=\d{3}(?!\d))|\s+")
"""What separates thousands, and white space: `1 500`, `1.500` and `1500` are one number."""


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question, the group it is reported under, and the passages that answer it: none when nothing should.

    A right reply states all `facts`; a fact may have several spellings, separated by `|`.
    """

    text: str
    group: str
    answers: frozenset[str]
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """The answer to one question: the ids of the passages found, best first, the reply, and the ids that it cites."""

    passages: Sequence[str]
    reply: str = ""
    cited: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares, 0 to 1, None where the set holds no question of that sort.

    Of the answerable questions: `refused` got no answer; `wrong` got one without the facts, or, where none are given,
    from another document. `fact` is of those with facts. Of the others: `false_answers` got an answer.
    """

    questions: int
    recall_1: float | None
    recall_3: float | None
    mrr: float | None
    refused: float | None
    fact: float | None
    wrong: float | None
    false_answers: float | None


Results = Mapping[LabelledQuestion, Served]


def measure(results: Results) -> Figures:
    """Return the figures of these results."""
    answerable = [(question, served) for question, served in results.items() if question.answers]
    unanswerable = [served for question, served in results.items() if not question.answers]
    ranks = [_rank(question.answers, served.passages) for question, served in answerable]
    with_facts = [(question, served) for question, served in answerable if question.facts]
    return Figures(
        questions=len(results),
        recall_1=_share(ranks, lambda rank: rank == 1),
        recall_3=_share(ranks, lambda rank: 1 <= rank <= 3),
        mrr=sum(1 / rank for rank in ranks if rank) / len(ranks) if ranks else None,
        refused=_share(answerable, lambda pair: not pair[1].cited),
        fact=_share(with_facts, lambda pair: _is_right(*pair)),
        wrong=_share(answerable, lambda pair: bool(pair[1].cited) and not _is_right(*pair)),
        false_answers=_share(unanswerable, lambda served: bool(served.cited)),
    )


def by_group(results: Results) -> dict[str, Figures]:
    """Return the figures of each group, and of `all`."""
    groups: defaultdict[str, dict[LabelledQuestion, Served]] = defaultdict(dict)
    for question, served in results.items():
        groups[question.group][question] = served
    return {group: measure(members) for group, members in sorted(groups.items())} | {"all": measure(results)}


def read_questions(lines: Iterable[str], tenant: str) -> list[LabelledQuestion]:
    """Read JSON Lines `{"question", "answers": ["path" or "path#chunk", ...], "facts"?: ["14 jours"], "group"?}`.

    No answers: unanswerable. Without a group it is the question's language. Raises ValueError that names the line.
    """
    questions = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            given = orjson.loads(line)
            answers = frozenset(normalize("NFC", f"{tenant}/{answer}") for answer in given["answers"])
            text, facts = str(given["question"]), given.get("facts", [])
            group = str(given.get("group") or detect(text))
            facts = (facts,) if isinstance(facts, str) else tuple(map(str, facts))
            questions.append(LabelledQuestion(text, group, answers, facts))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f'line {number} is not {{"question": …, "answers": […]}}') from error
    return questions


def _is_right(question: LabelledQuestion, served: Served) -> bool:
    """Return True if the reply states all facts; without any, if it cites a right document first."""
    if not question.facts:
        return _rank(question.answers, served.cited[:1]) == 1
    said = _compact(served.reply)
    stated = (any(_compact(spelling) in said for spelling in fact.split("|")) for fact in question.facts)
    return bool(served.cited) and all(stated)


def _compact(text: str) -> str:
    return _BETWEEN_DIGITS.sub("", fold(normalize("NFKC", text)))


def _rank(answers: frozenset[str], found: Sequence[str]) -> int:
    """Return the position of the first right one, from 1; 0 when there is none."""
    named = (normalize("NFC", item) for item in found)  # a name may be composed in one place and not in another
    return next((at for at, item in enumerate(named, 1) if {item, item.rpartition("#")[0]} & answers), 0)


def _share(items: Sequence[_Item], holds: Callable[[_Item], bool]) -> float | None:
    return sum(map(holds, items)) / len(items) if items else None
