"""Choose which sections of the passages answer a question, and which of their sentences, items or rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

from salambot.answers.matching import Terms, coverage, join, match, terms_of, weigh
from salambot.answers.question import Question
from salambot.answers.units import PassageSection, Unit, sections_of
from salambot.core.schemas import Language, Passage
from salambot.language.analysis import Token
from salambot.language.answer_kinds import looks_like
from salambot.language.detection import detect

_READS: Mapping[Language, Mapping[str, float]] = {
    "fr": {"fr": 1.0, "en": 0.2},
    "ar": {"ar": 1.0, "ary": 0.8, "fr": 0.2},
    "ary": {"ary": 1.0, "ar": 0.7, "fr": 0.2},
    "ary-Latn": {"ary-Latn": 1.0, "ary": 0.8, "ar": 0.6, "fr": 0.2},
    "en": {"en": 1.0, "fr": 0.3},
}
"""How well who writes one language reads another."""
_READABLE = 0.6
_HEADING, _EVIDENCE, _RETRIEVED, _LANGUAGE = 0.5, 0.3, 1.6, 0.4
"""What counts beside the words that are covered (1.0): those that the heading says too, what looks like an answer of
the kind that was asked for, retrieval's own score against the best passage, and the reader's language."""
_POLAR = re.compile(r"^\W*(?:oui|non|yes|no|نعم|لا(?=\s*[،,.!])|[إا]ي+ه|[اآأ]ه|ييه|iyeh)\b", re.IGNORECASE)
_MAX_TITLE_LENGTH = 8
"""Words."""
_COVERED_BY_A_YES = 0.65
"""How much of a question the section must speak of for its `yes` to be an answer to it."""


@dataclass(frozen=True)
class JudgedSection:
    """A section of a passage, judged against a question."""

    passage: Passage
    section: PassageSection
    weights: Mapping[Token, float]
    score: float

    @property
    def language(self) -> Language:
        """The language of its words."""
        return language_of(self.section)

    @cached_property
    def heading_terms(self) -> Terms:
        """The text of its headings."""
        return heading_terms(self.section)

    @cached_property
    def terms(self) -> Terms:
        """Its text with its headings and title."""
        return join((_whole_heading(self.section), body_terms(self.section)))

    def covers(self, token: Token) -> bool:
        """Return True if it speaks of a word."""
        return match(token, self.terms) > 0

    @property
    def is_polar(self) -> bool:
        """Return True if it begins by yes or no, which answers its own heading."""
        return _POLAR.match(self.section.units[0].text) is not None


def language_of(section: PassageSection) -> Language:
    """Return the language that retrieval found, or else what the text looks like."""
    return next((name for name in get_args(Language) if name == section.language), None) or detect(section.body)


def heading_terms(section: PassageSection) -> Terms:
    """Return the terms of a section's headings; of the title where it has none."""
    return terms_of(" ".join(section.path) or section.title, section.language)


def body_terms(section: PassageSection) -> Terms:
    """Return the terms of a section's own words."""
    return terms_of(section.body, section.language)


def is_readable(language: Language, candidate: JudgedSection) -> bool:
    """Return True if who writes `language` reads this without an excuse."""
    return _READS[language].get(candidate.language, 0.0) >= _READABLE


def judge(question: Question, passages: Sequence[Passage]) -> list[JudgedSection]:
    """Return the sections that may answer, the best first."""
    found = _with_tables([(passage, section) for passage in passages for section in sections_of(passage)])
    if not found:
        return []
    texts = [join((_whole_heading(section), body_terms(section))) for _, section in found]
    weights = weigh(question.tokens, question.kinds, texts)
    best = max(passage.score for passage in passages) or 1.0
    judged = [
        JudgedSection(passage, section, weights, _score(question, section, weights, text, passage.score / best))
        for (passage, section), text in zip(found, texts, strict=True)
    ]
    answers = [
        candidate
        for candidate in judged
        if not _is_a_title(candidate.section) and not _answers_something_else(question, candidate)
    ]
    return sorted(answers, key=lambda candidate: -candidate.score)


def _with_tables(found: Sequence[tuple[Passage, PassageSection]]) -> list[tuple[Passage, PassageSection]]:
    """Put the rows of one table together, each of which is a passage of its own; the first found is cited for all."""
    tables: dict[tuple[str, tuple[str, ...]], list[tuple[Passage, PassageSection]]] = {}
    joined: list[tuple[Passage, PassageSection]] = []
    for passage, section in found:
        key = (passage.id.rsplit("#", 1)[0], section.path)
        if any(unit.row is None for unit in section.units):
            joined.append((passage, section))
        elif key in tables:
            tables[key].append((passage, section))
        else:
            tables[key] = [(passage, section)]
    return joined + [(parts[0][0], _joined_table([*parts])) for parts in tables.values()]


def _joined_table(parts: list[tuple[Passage, PassageSection]]) -> PassageSection:
    """Return one section of rows, in the order of the document."""
    first = parts[0][1]
    parts.sort(key=lambda part: part[0].chunk)
    units = (unit for _, section in parts for unit in _in_paragraph(section.units, first.units[0]))
    return replace(first, units=tuple(units))


def _in_paragraph(units: Sequence[Unit], first: Unit) -> tuple[Unit, ...]:
    return tuple(replace(unit, paragraph=first.paragraph) for unit in units)


def _whole_heading(section: PassageSection) -> Terms:
    return terms_of(f"{section.title} {' '.join(section.path)}", section.language)


def _score(
    question: Question, section: PassageSection, weights: Mapping[Token, float], terms: Terms, retrieved: float
) -> float:
    heading = heading_terms(section)
    recall = coverage(weights, heading)
    precision = _precision(weights, heading)
    asks_the_same = 2 * recall * precision / (recall + precision) if recall and precision else 0.0
    reads = _READS[question.language].get(language_of(section), 0.0)
    return (
        coverage(weights, terms)
        + _HEADING * asks_the_same
        + _EVIDENCE * evidence(question, section.body)
        + _RETRIEVED * retrieved
        + _LANGUAGE * reads
    )


def _precision(weights: Mapping[Token, float], heading: Terms) -> float:
    """Return which share of a heading's words the question asks for."""
    said = sum(match(token, heading) > 0 for token in weights)
    return min(1.0, said / len(heading.words)) if heading.words else 0.0


def evidence(question: Question, text: str) -> float:
    """Return the share of the asked kinds that a text looks like an answer to."""
    kinds = [kind for kind in question.kinds if kind not in {"compare", "list", "yesno"}]
    return sum(looks_like(kind, text) for kind in kinds) / len(kinds) if kinds else 0.0


def _answers_something_else(question: Question, candidate: JudgedSection) -> bool:
    """A yes or no answers its own heading: to a question that it covers half of it may be the opposite of the truth."""
    if not candidate.is_polar or not is_readable(question.language, candidate):
        return False
    return coverage(candidate.weights, candidate.terms) < _COVERED_BY_A_YES


def _is_a_title(section: PassageSection) -> bool:
    """A passage may hold nothing but what stands above others: it answers nothing."""
    if section.path or len(section.units) > 1 or section.units[0].row:
        return False
    text = section.units[0].text
    return (
        len(text.split()) <= _MAX_TITLE_LENGTH
        and not text.endswith((".", "!", "?", "؟", "…"))
        and not any(letter.isdigit() or letter == "@" for letter in text)
    )


def best_units(question: Question, candidate: JudgedSection) -> list[tuple[float, Unit]]:
    """Return the units of a section with how well each answers by itself, in their order."""
    return [(unit_score(question, candidate, unit.text), unit) for unit in candidate.section.units]


def unit_score(question: Question, candidate: JudgedSection, text: str) -> float:
    """Return how well some of a section's words answer by themselves."""
    own = terms_of(text, candidate.section.language)
    return coverage(candidate.weights, own) + _EVIDENCE * evidence(question, text)
