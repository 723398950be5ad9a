"""Answer a question from retrieved passages: one answer, or two to two questions and to a comparison."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from salambot.answers.matching import match, names_a_kind, terms_of
from salambot.answers.question import Question, understand
from salambot.answers.selection import JudgedSection, is_readable, judge
from salambot.answers.wording import word
from salambot.core.schemas import Language, Passage
from salambot.language.answer_kinds import fold

_ASKS = (
    r"(?:est[- ]ce|combien|c'?est|quels?|quelles?|ou\b|quand|comment|qui|puis[- ]je|avez|vous|y a|faut"
    r"|how|what|where|when|who|is|are|do|does|can|ch7al|chhal|bch7al|wach|fin|kifach|chno|imta)"
)
_ASKS_ARABIC = r"(?:كم|هل|اين|متي|كيف|ما|واش|شحال|بشحال|فين|كيفاش|شنو|فوقاش)"
_JOINT = re.compile(
    r"[?؟!]+\s*(?=\S)|[.;]\s+(?=\S)"
    rf"|,?\s+(?:et|and|puis|w|o|ou|u)\s+(?={_ASKS})|،?\s+و\s?(?={_ASKS_ARABIC}\b)"
)
_LISTS = re.compile(r"\s(?:et|and|w|plus)\s|\sو(?=ال)|,")
_MAX_PARTS = 3
_ENOUGH_FOR_A_PART = 0.5
"""How much of a second question a section must cover: the first is known to be about something that we know."""
_MAX_LIST_WORDS = 8
"""Of a message that lists what it asks for: a longer one is a sentence about one thing."""
_SURE = 0.8
_TIE = 0.9
_MAX_TIES = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """The words of an answer, of the passage that holds them. `readable`: in a language that the asker reads."""

    passage: Passage
    text: str
    readable: bool


_Chosen = Iterable[tuple[Question, JudgedSection]]


def find_answers(text: str, language: Language, passages: Sequence[Passage]) -> list[Answer]:
    """Return the answers, the best first; none where no passage holds any words that answer."""
    question = understand(text, language)
    candidates = judge(question, passages)
    if not candidates:
        return []
    if question.sides and (both := _both_sides(question, candidates)):
        return list(_worded(both))
    parts = _parts(question)
    if len(parts) > 1 and (each := _each_part(question, parts, passages)):
        return list(_worded(each))
    first = candidates[0]
    more = [*_ties(first, candidates[1:]), *_listed(question, first, candidates[1:])]
    return list(_worded((question, candidate) for candidate in (first, *more)))


def _worded(chosen: _Chosen) -> Iterator[Answer]:
    said: set[str] = set()
    for question, candidate in chosen:
        answer = word(question, candidate)
        if answer and answer not in said:
            said.add(answer)
            yield Answer(candidate.passage, answer, is_readable(question.language, candidate))


def _ties(first: JudgedSection, others: Sequence[JudgedSection]) -> list[JudgedSection]:
    """Return tables that have a row of the same thing, one a season or a branch, and answer nearly as well."""
    names = _names_in_rows(first)
    tied = [
        other for other in others if other.score >= _TIE * first.score and not names.isdisjoint(_names_in_rows(other))
    ]
    return tied[: _MAX_TIES - 1]


def _names_in_rows(candidate: JudgedSection) -> frozenset[str]:
    """Return the cells that the question calls by their name."""
    language = candidate.section.language
    return frozenset(
        value
        for unit in candidate.section.units
        if unit.row
        for _, value in unit.row.cells
        if not value[:1].isdigit()
        and any(
            match(token, terms_of(value, language)) == 1.0 for token in candidate.weights if not names_a_kind(token)
        )
    )


def _parts(question: Question) -> list[Question]:
    """Return the questions of a message that asks several; what says nothing by itself is none."""
    texts = [part for part in _JOINT.split(fold(question.text)) if part]
    parts = [part for text in texts if (part := understand(text, question.language)).tokens]
    return parts[:_MAX_PARTS]


def _each_part(
    question: Question, parts: Sequence[Question], passages: Sequence[Passage]
) -> list[tuple[Question, JudgedSection]]:
    """Return an answer to each part; one that leans on another has its answer there."""
    found: list[tuple[Question, JudgedSection]] = []
    for part in parts:
        if any(_covers(candidate, part) for _, candidate in found):
            continue
        best = next(iter(judge(part, passages)), None)
        if best and _covers(best, part) and (not found or is_readable(question.language, best)):
            found.append((part, best))
    return [(question, found[0][1])] if len(found) == 1 else found


def _covers(candidate: JudgedSection, asked: Question) -> bool:
    tokens = [token for token in asked.tokens if not token.is_number]
    known = [token for token in tokens if candidate.covers(token)]
    return bool(known) and len(known) >= _ENOUGH_FOR_A_PART * len(tokens)


def _listed(question: Question, first: JudgedSection, others: Sequence[JudgedSection]) -> list[JudgedSection]:
    """In `livraison et remboursement` each word is a question: return the section whose heading is the other one."""
    if (
        "yesno" in question.kinds
        or len(question.text.split()) > _MAX_LIST_WORDS
        or not _LISTS.search(f" {fold(question.text)} ")
    ):
        return []
    left = [token for token in question.tokens if not token.is_number and not first.covers(token)]
    for other in others:
        asked = [token for token in left if match(token, other.heading_terms) >= _SURE]
        if asked and 2 * len(asked) >= len(other.heading_terms.words) and is_readable(question.language, other):
            return [other]
    return []


def _both_sides(question: Question, candidates: Sequence[JudgedSection]) -> list[tuple[Question, JudgedSection]]:
    """Return what speaks of both sides of a comparison, or else the best for each side."""
    one, other = question.sides
    together = next((c for c in candidates if _names(c, one) and _names(c, other)), None)
    if together:
        return [(question, together)]
    each = [next((c for c in candidates if _names(c, side)), None) for side in (one, other)]
    return [(question, candidate) for candidate in each if candidate] if None not in each else []


def _names(candidate: JudgedSection, side: Sequence[object]) -> bool:
    return any(candidate.covers(token) for token in candidate.weights if token in side)
