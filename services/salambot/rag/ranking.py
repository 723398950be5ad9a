"""From candidates to results: fused by reciprocal rank, judged for relevance, without doubles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from salambot.messages import Language, Passage
from salambot.rag.candidates import Candidate
from salambot.rag.question import Weighed

_K = 20
"""Reciprocal rank fusion (Cormack et al. 2009). They took 60 for long lists; ours have 30 candidates."""
_SAME = 0.9
"""Two passages with this much of their terms in common (Jaccard) say the same."""
_NEAR: dict[Language, frozenset[str]] = {
    "fr": frozenset({"fr"}),
    "en": frozenset({"en"}),
    "ar": frozenset({"ar", "ary"}),
    "ary": frozenset({"ary", "ar", "ary-Latn"}),
    "ary-Latn": frozenset({"ary-Latn", "ary", "ar"}),
}
_OTHER_LANGUAGE = 0.8
"""Of the fused rank: an answer that its reader understands comes first among equals."""
_COVERAGE, _HEADING, _SIMILARITY = 0.6, 0.25, 0.15
_LEAST = 1e-6
_ALIKE = 0.6
"""The cosine of a question and the passage that answers it in the same words: the top of the scale."""


@dataclass(frozen=True, slots=True)
class _Judged:
    candidate: Candidate
    fused: float
    relevance: float


def rank(weighed: Weighed, candidates: Sequence[Candidate], *, floor: float, top_k: int) -> list[Passage]:
    """Return the best passages, at most `top_k`, each with a score of `floor` to 1, best first."""
    fused = _fuse(candidates, weighed.question.language)
    best = max(fused, default=0.0) or 1.0
    judged = [
        _Judged(candidate, score / best, _relevance(weighed, candidate))
        for candidate, score in zip(candidates, fused, strict=True)
    ]
    relevant = [item for item in judged if _score(item) >= max(floor, _LEAST)]
    relevant.sort(key=lambda item: (-_score(item), item.candidate.id))
    return [item.candidate.passage(_score(item)) for item in _without_doubles(relevant, top_k)]


def _score(item: _Judged) -> float:
    """Relevance says how good a passage is on its own; the fused rank orders those that are about as good."""
    return item.relevance * (0.7 + 0.3 * item.fused)


def _fuse(candidates: Sequence[Candidate], language: Language) -> list[float]:
    """Sum the reciprocal ranks. What a search did not find, or gave nothing to, gains nothing from it."""
    fused = [0.0] * len(candidates)
    for score_of in (_bm25, _similarity):
        for position, index in enumerate(_ranking(candidates, score_of)):
            fused[index] += 1 / (_K + position)
    near = _NEAR[language]
    return [
        score if candidate.language in near else score * _OTHER_LANGUAGE
        for score, candidate in zip(fused, candidates, strict=True)
    ]


def _bm25(candidate: Candidate) -> float:
    return candidate.bm25 or 0.0


def _similarity(candidate: Candidate) -> float:
    return candidate.similarity or 0.0


def _ranking(candidates: Sequence[Candidate], score_of: Callable[[Candidate], float]) -> list[int]:
    found = [index for index, candidate in enumerate(candidates) if score_of(candidate) > 0]
    return sorted(found, key=lambda index: -score_of(candidates[index]))


def _relevance(weighed: Weighed, candidate: Candidate) -> float:
    if not weighed.has_the_point(candidate.terms):
        return 0.0
    alike = min(1.0, max(0.0, _similarity(candidate)) / _ALIKE)
    return _COVERAGE * weighed.coverage(candidate.terms) + _HEADING * _named(weighed, candidate) + _SIMILARITY * alike


def _named(weighed: Weighed, candidate: Candidate) -> float:
    """Return how well the heading asks the same, 0 to 1 (F1): a heading's other words make it another question."""
    terms = frozenset(term for token in candidate.heading for term in (*token.forms, *token.concepts))
    recall, precision = weighed.coverage(terms), weighed.precision(candidate.heading)
    return 2 * recall * precision / (recall + precision) if recall and precision else 0.0


def _without_doubles(ordered: Sequence[_Judged], top_k: int) -> list[_Judged]:
    kept: list[_Judged] = []
    for item in ordered:
        if not any(_same(item.candidate.terms, other.candidate.terms) for other in kept):
            kept.append(item)
            if len(kept) == top_k:
                break
    return kept


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _SAME * len(one | other)
