"""Find the answers that stand in retrieved passages: which section answers a question, and in which words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import get_args

from salambot.language import detect
from salambot.messages import Language, Passage
from salambot.terms import Alternatives, question_terms, text_terms

_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_QUESTION = re.compile(r"^(?:\*\*|__)?(?:[QسF]\s*[:.-]\s*)?(.{3,160}[?؟])(?:\*\*|__)?$")
_ANSWER_MARK = re.compile(r"^(?:\*\*)?(?:R|A|ج)\s*[:.-](?:\*\*)?\s+")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w))")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,2}[.)])\s+")
_READABLE: dict[Language, tuple[str, ...]] = {
    "fr": ("fr",),
    "ar": ("ar", "ary"),
    "ary": ("ary", "ar"),
    "ary-Latn": ("ary-Latn", "ary", "ar"),
    "en": ("en",),
}
"""The languages that answer a prompt without an excuse, the best first."""


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of a passage under one heading (often the question that it answers)."""

    body: str
    language: str
    heading_terms: frozenset[str]
    terms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A section that answers, of the passage that holds it; `score` orders answers to the same question."""

    passage: Passage
    section: Section
    score: float
    covered: frozenset[Alternatives]


def is_readable(language: Language, answer: Answer) -> bool:
    """Tell whether an answer stands in a language that fits the prompt's."""
    return answer.section.language in _READABLE[language]


def find_answers(question: str, language: Language, passages: Sequence[Passage]) -> list[Answer]:
    """Return the sections that answer, the best first: one, or two where the second covers what the first does not."""
    asked = question_terms(question, arabizi=language == "ary-Latn")
    if not asked:
        return []
    candidates = [(passage, section) for passage in passages for section in sections(passage)]
    weights = _weights(asked, [section for _, section in candidates])
    answers = [
        answer
        for rank, (passage, section) in enumerate(candidates)
        if (answer := _judge(passage, section, weights, _preference(language, section) - 0.01 * rank))
    ]
    answers.sort(key=lambda answer: -answer.score)
    return answers[:1] + _complement(answers, language)


def _weights(asked: Sequence[Alternatives], found: Sequence[Section]) -> dict[Alternatives, float]:
    """A word that many sections hold tells little; one that none holds counts in full against all."""
    return {word: 1 / sqrt(max(1, sum(not word.isdisjoint(section.terms) for section in found))) for word in asked}


def _judge(passage: Passage, section: Section, weights: dict[Alternatives, float], preference: float) -> Answer | None:
    covered = frozenset(word for word in weights if not word.isdisjoint(section.terms))
    in_heading = [word for word in covered if not word.isdisjoint(section.heading_terms)]
    total = sum(weights.values())
    coverage = sum(weights[word] for word in covered) / total
    if not (
        len(covered) == len(weights) or (in_heading and coverage >= 1 / 3) or (len(covered) > 1 and coverage >= 1 / 2)
    ):
        return None
    score = coverage + 0.7 * sum(weights[word] for word in in_heading) / total + preference
    return Answer(passage, section, score, covered)


def _preference(language: Language, section: Section) -> float:
    readable = _READABLE[language]
    return 0.4 - 0.1 * readable.index(section.language) if section.language in readable else 0.0


def _complement(answers: Sequence[Answer], language: Language) -> list[Answer]:
    first = answers[0] if answers else None
    for answer in answers[1:]:
        if first is not None and answer.covered - first.covered and is_readable(language, answer):
            new = answer.covered - first.covered
            if any(not word.isdisjoint(answer.section.heading_terms) for word in new):
                return [answer]
    return []


def sections(passage: Passage) -> tuple[Section, ...]:
    """Cut a passage at its headings and questions; a passage without any is one section under its title."""
    return _sections(passage.title, passage.text, passage.language)


@lru_cache(maxsize=1024)
def _sections(title: str, text: str, language: str) -> tuple[Section, ...]:
    cuts: list[tuple[str, list[str]]] = [(title, [])]
    for line in text.splitlines():
        stripped = line.strip()
        if heading := _HEADING.match(stripped) or _QUESTION.match(stripped):
            cuts.append((heading.group(1), []))
        elif stripped:
            cuts[-1][1].append(_plain(stripped))
    return tuple(_section(heading, "\n".join(lines), language) for heading, lines in cuts if lines)


def _section(heading: str, body: str, language: str) -> Section:
    of_passage = language if language in get_args(Language) else None
    spoken = detect(body, of_passage)
    arabizi = spoken == "ary-Latn"
    heading_terms = text_terms(heading, arabizi=arabizi)
    return Section(body, spoken, heading_terms, heading_terms | text_terms(body, arabizi=arabizi))


def _plain(line: str) -> str:
    """Drop Markdown's marks: the channels show plain text."""
    without_links = _LINK.sub(r"\1", _ANSWER_MARK.sub("", line))
    bullet = _BULLET.match(without_links)
    text = _EMPHASIS.sub("", without_links[bullet.end() :] if bullet else without_links)
    return f"- {text}" if bullet else text
