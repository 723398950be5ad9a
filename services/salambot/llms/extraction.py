"""Find the answers that stand in retrieved passages: which section answers a question, and in which words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import get_args

from salambot.language import detect
from salambot.messages import Language, Passage
from salambot.text.analysis import Token, analyse

LOOKED_AT = 2_000
"""Characters of a question: a longer message hardly asks one thing."""
_MOST_WORDS = 48
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_QUESTION = re.compile(r"^(?:\*\*|__)?(?:[QسF]\s*[:.-]\s*)?(.{3,160}[?؟])(?:\*\*|__)?$")
_ANSWER_MARK = re.compile(r"^(?:\*\*)?(?:R|A|ج)\s*[:.-](?:\*\*)?\s+")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w))")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,2}[.)])\s+")
_PREFERENCE: dict[Language, dict[str, float]] = {
    "fr": {"fr": 0.5, "en": 0.1},
    "ar": {"ar": 0.5, "ary": 0.4, "fr": 0.1},
    "ary": {"ary": 0.5, "ar": 0.35, "fr": 0.1},
    "ary-Latn": {"ary-Latn": 0.5, "ary": 0.4, "ar": 0.3, "fr": 0.1},
    "en": {"en": 0.5, "fr": 0.15},
}
"""What an answer gains by its language; from _READABLE on, it answers a prompt without an excuse."""
_READABLE = 0.3
_RETRIEVED = 1.2
"""What retrieval's own score counts: it weighs words by the whole index, where we see some passages."""
_BY_MEANING = 0.8
"""What a word is worth that is found by another form of it, or by its meaning."""
_ENOUGH, _ENOUGH_WITH_HEADING = 0.5, 0.3
"""How much of a question a section must cover to answer it: less where its heading speaks of it."""


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
    covered: frozenset[Token]
    in_heading: frozenset[Token]


def is_readable(language: Language, answer: Answer) -> bool:
    """Tell whether an answer stands in a language that fits the prompt's."""
    return _PREFERENCE[language].get(answer.section.language, 0.0) >= _READABLE


def find_answers(question: str, language: Language, passages: Sequence[Passage]) -> list[Answer]:
    """Return the sections that answer, the best first: one, or two where the second covers what the first does not."""
    asked = list(dict.fromkeys(analyse(question[:LOOKED_AT], language)))[:_MOST_WORDS]
    candidates = [(passage, section) for passage in passages for section in _sections_of(passage)]
    if not asked or not candidates:
        return []
    weights = _weights(asked, [section for _, section in candidates])
    judged = (_judge(passage, section, weights, language) for passage, section in candidates)
    answers = sorted((answer for answer in judged if answer), key=lambda answer: -answer.score)
    return answers[:1] + _complement(answers, language)


def _weights(asked: Sequence[Token], found: Sequence[Section]) -> dict[Token, float]:
    """A word that many sections hold tells little; one that none holds counts in full against all."""
    return {word: 1 / sqrt(max(1, sum(_match(word, section.terms) > 0 for section in found))) for word in asked}


def _match(word: Token, terms: frozenset[str]) -> float:
    if word.forms[0] in terms:
        return 1.0
    return _BY_MEANING if not terms.isdisjoint((*word.forms, *word.concepts)) else 0.0


def _judge(passage: Passage, section: Section, weights: dict[Token, float], language: Language) -> Answer | None:
    total = sum(weights.values())
    coverage = sum(weight * _match(word, section.terms) for word, weight in weights.items()) / total
    in_heading = frozenset(word for word in weights if _match(word, section.heading_terms))
    if coverage < (_ENOUGH_WITH_HEADING if in_heading else _ENOUGH):
        return None
    told_by_heading = sum(weights[word] * _match(word, section.heading_terms) for word in in_heading) / total
    preference = _PREFERENCE[language].get(section.language, 0.0)
    score = coverage + 0.7 * told_by_heading + _RETRIEVED * passage.score + preference
    covered = frozenset(word for word in weights if _match(word, section.terms))
    return Answer(passage, section, score, covered, in_heading)


def _complement(answers: Sequence[Answer], language: Language) -> list[Answer]:
    """Return the best answer to what the first leaves open, as in "livraison et remboursement"."""
    for answer in answers[1:]:
        if answer.in_heading - answers[0].covered and is_readable(language, answer):
            return [answer]
    return []


def _sections_of(passage: Passage) -> tuple[Section, ...]:
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
    return tuple(_section(title, heading, "\n".join(lines), language) for heading, lines in cuts if lines)


def _section(title: str, heading: str, body: str, language: str) -> Section:
    known = next((name for name in get_args(Language) if name == language), None) or detect(body)
    heading_terms = _terms(heading, known)
    return Section(body, known, heading_terms, heading_terms | _terms(f"{title}\n{body}", known))


def _terms(text: str, language: str) -> frozenset[str]:
    return frozenset(term for token in analyse(text, language) for term in (*token.forms, *token.concepts))


def _plain(line: str) -> str:
    """Drop Markdown's marks: the channels show plain text."""
    without_links = _LINK.sub(r"\1", _ANSWER_MARK.sub("", line))
    bullet = _BULLET.match(without_links)
    text = _EMPHASIS.sub("", without_links[bullet.end() :] if bullet else without_links)
    return f"- {text}" if bullet else text
