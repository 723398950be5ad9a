"""Whole replies: what a customer gets for each question, composed from the passages that the decision lets through."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.answers.business import states_facts
from bench.answers.fit import Case
from bench.answers.index import turns_of
from salambot.core.schemas import ComposeRequest, Passage
from salambot.language.query_rewriting import read
from salambot.llms.local import compose
from salambot.rag.calibration import Calibration
from salambot.rag.ranking import choose

PASSAGES, PASSAGES_FOR_MODEL = 5, 8
"""As orchestrateur asks for."""


@dataclass(frozen=True, slots=True)
class Served:
    """What came of a case. `in_prompt`: a passage that a language model would be shown holds the fact."""

    case: Case
    passages: Sequence[Passage]
    text: str
    answered: bool
    in_prompt: bool

    @property
    def is_right(self) -> bool:
        """Return True if the reply states the facts; of the sample, which has none: if it cites a right passage."""
        asked = self.case.question
        if not self.answered:
            return False
        return self.found(1) if asked.passages else states_facts(asked, self.text)

    def found(self, within: int) -> bool:
        """Return True if a right document is among the first passages served."""
        names = [passage.id.split("/", 1)[1].rsplit("#", 1)[0] for passage in self.passages[:within]]
        return any(name in self.case.question.documents for name in names)


def serve(case: Case, fitted: Calibration, floor: float) -> Served:
    """Answer a question as orchestrateur, rag and nlu do together."""
    if not case.candidates:
        return Served(case, (), "", answered=False, in_prompt=False)
    passages = choose(case.evidence, case.candidates, fitted, floor=floor, top_k=PASSAGES)
    context = turns_of(case.question.before)
    reading = read(case.question.text, context)
    request = ComposeRequest(
        tenant="bench",
        prompt=case.question.text,
        question=reading.whole if passages else None,
        context=context,
        passages=passages,
    )
    reply = compose(request)
    first = np.argsort(-fitted.scores(case.evidence), kind="stable")[:PASSAGES_FOR_MODEL]
    return Served(case, passages, reply.reply, bool(reply.citations), bool(case.right[first].any()))


def tabulate(served: Sequence[Served]) -> list[str]:
    """Return a table of replies: all, by business, by language and by kind, the last two without the sample."""
    ours = [one for one in served if one.case.business != "shop"]
    groups = [("all but the shop", ours), *_groups(served, lambda one: one.case.business)]
    groups += _groups(ours, lambda one: one.case.question.language) + _groups(ours, lambda one: one.case.question.kind)
    head = "| | questions | recall@1 | recall@3 | refused | fact | wrong | in the prompt | unanswerable | false |"
    return [head, "|---|" + "---:|" * 9, *(_line(name, members) for name, members in groups)]


def _groups(served: Iterable[Served], key: Callable[[Served], str]) -> list[tuple[str, list[Served]]]:
    groups: dict[str, list[Served]] = {}
    for one in served:
        groups.setdefault(key(one), []).append(one)
    return list(groups.items())


def _line(name: str, served: Sequence[Served]) -> str:
    asked = [one for one in served if one.case.is_answerable]
    nothing = [one for one in served if not one.case.is_answerable]
    cells = [
        str(len(asked)),
        _percent([one.found(1) for one in asked]),
        _percent([one.found(3) for one in asked]),
        _percent([not one.answered for one in asked]),
        _percent([one.is_right for one in asked]),
        _percent([one.answered and not one.is_right for one in asked]),
        _percent([one.in_prompt for one in asked]),
        str(len(nothing)),
        _percent([one.answered for one in nothing]),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def _percent(values: Sequence[bool]) -> str:
    return f"{100 * sum(values) / len(values):.0f}" if values else "–"
