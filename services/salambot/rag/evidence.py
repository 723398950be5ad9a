"""The evidence for each candidate: one row of numbers a passage, which a fitted model turns into a probability."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salambot.core.schemas import Language
from salambot.language import meanings
from salambot.language.analysis import CONCEPT, Token
from salambot.language.answer_kinds import ANSWERED_BY_LOOKS, answered_kinds, asked_kinds
from salambot.rag.candidates import Candidate
from salambot.rag.query import WeightedQuery, is_exact, is_place, match

Matrix = NDArray[np.float64]

_K = 20
"""Reciprocal rank fusion (Cormack et al. 2009). They took 60 for long lists; ours have 30 candidates."""
_OTHER_LANGUAGE = 0.8
"""Of the fused rank: an answer that its reader understands comes first among equals."""
_NEAR: dict[Language, frozenset[str]] = {
    "fr": frozenset({"fr"}),
    "en": frozenset({"en"}),
    "ar": frozenset({"ar", "ary"}),
    "ary": frozenset({"ary", "ar", "ary-Latn"}),
    "ary-Latn": frozenset({"ary-Latn", "ary", "ar"}),
}
_SAME_MEANING = 0.6
"""The cosine from which on two words are taken for translations of each other."""
_COMMON, _SPAN = 6.5, 3.5
"""A word of Zipf frequency 6.5 tells nothing, one of 3.0 all it can."""
_LEAST_WEIGHT, _GENERIC = 0.05, 0.5
_EVERYWHERE = CONCEPT + "city"
"""The concept of a passage that speaks of towns in general: `all of Morocco`, `other towns`."""

_ASKED = ("price", "duration", "time", "place", "contact")
_LEAST_COSINE = 0.75
"""Models of the e5 family give no two texts a cosine below it."""
_NOTHING_ASKED = 0.5
"""Between an answer of the kind that is asked for and none."""

PASSAGE_FEATURES = (
    "coverage",
    "heading",
    "heading_recall",
    "bm25_share",
    "bm25_z",
    "similarity",
    "similarity_z",
    "fused",
    "near_language",
    "has_the_point",
    "meaning_coverage",
    "translated_share",
    "missing_most",
    "missing_second",
    "best_word",
    "sentence",
    "sentence_z",
    "sentence_rank",
    "heading_sentence",
    "meaning_coverage_z",
    "place_missing",
    "place_missing_here",
    "exact_missing",
    "number_missing",
    "kinds_met",
    "kinds_missed",
    "semantic",
    "semantic_z",
    "semantic_rank",
    "semantic_z_darija",
    "semantic_rank_darija",
)
"""The last five are of an embedder that is a model: what it makes of Darija weighs by itself."""
QUESTION_FEATURES = (
    "words",
    "unknown_share",
    "unknown_points",
    "only_generic",
    "missing_everywhere",
    "covered_anywhere",
    "without_meaning",
    "follow_up",
    "is_ar",
    "is_ary",
    "is_ary_latn",
    "is_en",
    *(f"asks_{kind}" for kind in _ASKED),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """`passages` has shape (candidates, PASSAGE_FEATURES), `question` (QUESTION_FEATURES,).

    `on_the_point`, of shape (candidates,), is False where a follow-up asks something of its own that a passage lacks.
    """

    passages: Matrix
    question: Matrix
    on_the_point: NDArray[np.bool_]


def weigh_evidence(weighed: WeightedQuery, candidates: Sequence[Candidate]) -> Evidence:
    """Return what speaks for each of at least one candidate."""
    lexical = _lexical(weighed, candidates)
    semantic = np.array([candidate.similarity or 0.0 for candidate in candidates if candidate.spelling is not None])
    similarity = np.array(
        [
            (candidate.similarity if candidate.spelling is None else candidate.spelling) or 0.0
            for candidate in candidates
        ]
    )
    bm25 = np.array([candidate.bm25 or 0.0 for candidate in candidates])
    language = weighed.question.language
    near = np.array([candidate.language in _NEAR[language] for candidate in candidates], dtype=float)
    ranks = sum(_reciprocal_ranks(scores) for scores in (bm25, similarity, semantic) if len(scores))
    fused = ranks * np.where(near > 0, 1.0, _OTHER_LANGUAGE)
    words = _WordMeanings(weighed, candidates)
    columns = [
        lexical[0],
        lexical[1],
        lexical[2],
        bm25 / (bm25.max() or 1.0),
        np.clip(_z(bm25), -3, 6) / 6,
        np.clip(similarity, 0, 1),
        np.clip(_z(similarity), -3, 5) / 5,
        fused / (fused.max() or 1.0),
        near,
        lexical[3],
        *words.columns(),
        *_closed_classes(weighed, candidates),
        *_kinds(weighed, candidates),
        *_semantic(semantic, len(candidates), is_darija=language.startswith("ary")),
    ]
    return Evidence(np.stack(columns, axis=1), np.array(_asked(weighed, words)), _on_the_point(weighed, words))


def _semantic(found: Matrix, count: int, *, is_darija: bool) -> list[Matrix]:
    """Return the columns of a model's cosines; what it did not find is no nearer than the farthest that it found."""
    if not found.any():
        return [np.zeros(count)] * 5
    cosines = np.where(found > 0, found, found[found > 0].min())
    z, rank = np.clip(_z(cosines), -3, 5) / 5, 1 / (1 + _ranks(cosines) / 5)
    known = [np.clip((cosines - _LEAST_COSINE) / (1 - _LEAST_COSINE), 0, 1), z, rank]
    nothing = np.zeros(count)
    return [nothing, nothing, nothing, z, rank] if is_darija else [*known, nothing, nothing]


def _on_the_point(weighed: WeightedQuery, words: "_WordMeanings") -> NDArray[np.bool_]:
    """Return which passages say what a follow-up itself is about: what was asked before never answers alone."""
    shares = weighed.question.shares
    own = [at for at, share in enumerate(shares) if share == 1 and not weighed.is_generic(at)]
    if not own or min(shares) == 1:
        return np.ones(words.near.shape[1], dtype=bool)
    found: NDArray[np.bool_] = words.near[own].max(axis=0) >= _SAME_MEANING
    return found


def _lexical(weighed: WeightedQuery, candidates: Sequence[Candidate]) -> Matrix:
    """Return coverage, how well the heading asks the same (F1), how much of the question it covers, and the point."""
    rows = []
    for candidate in candidates:
        terms = frozenset(term for token in candidate.heading for term in (*token.forms, *token.concepts))
        recall, precision = weighed.coverage(terms), weighed.heading_share(candidate.heading)
        heading = 2 * recall * precision / (recall + precision) if recall and precision else 0.0
        rows.append(
            (weighed.coverage(candidate.terms), heading, recall, float(weighed.matches_key_term(candidate.terms)))
        )
    return np.array(rows).T


class _WordMeanings:
    """The question's words against the words of each passage: the same stem, or the nearest meaning."""

    def __init__(self, weighed: WeightedQuery, candidates: Sequence[Candidate]) -> None:
        question = weighed.question
        tokens = question.tokens
        rows = [meanings.row_of(token, question.language) for token in tokens]
        self.unknown = sum(row is None and not is_exact(token) for token, row in zip(tokens, rows, strict=True))
        passages = [meanings_of(candidate.terms, candidate.language) for candidate in candidates]
        self.near = _nearest(tokens, rows, candidates, passages)
        self.weights = np.array([_weight(token, weighed, at) for at, token in enumerate(tokens)])
        asked = meanings.sentence(np.array([row for row in rows if row is not None], dtype=np.intp))
        self.sentence = np.array([meanings.sentence(found) @ asked for found in passages])
        self.heading = np.array(
            [heading_meaning(candidate.heading, candidate.language) @ asked for candidate in candidates]
        )

    def columns(self) -> list[Matrix]:
        """Return the columns from `meaning_coverage` to `meaning_coverage_z`, each of shape (candidates,)."""
        total = self.weights.sum()
        covered = self.weights @ self.near / total
        missing = np.sort(self.weights[:, None] * (1 - self.near), axis=0)[::-1]
        return [
            covered,
            self.weights @ (self.near >= _SAME_MEANING) / total,
            missing[0],
            missing[1] if len(missing) > 1 else np.zeros_like(covered),
            (self.weights[:, None] * self.near).max(axis=0),
            self.sentence,
            np.clip(_z(self.sentence), -3, 5) / 5,
            1 / (1 + _ranks(self.sentence) / 5),
            self.heading,
            np.clip(_z(covered), -3, 5) / 5,
        ]

    def anywhere(self) -> tuple[float, float]:
        """Return the weight that no passage at all covers, at most one word's, and the share that some passage does."""
        best = self.near.max(axis=1)
        return float((self.weights * (1 - best)).max()), float(self.weights @ best / self.weights.sum())


def _nearest(
    tokens: Sequence[Token],
    rows: Sequence[int | None],
    candidates: Sequence[Candidate],
    passages: Sequence[NDArray[np.intp]],
) -> Matrix:
    """Return for each token and passage how near the passage's nearest word is, 0 to 1: shape (tokens, passages)."""
    near = np.array([[match(token, candidate.terms) for candidate in candidates] for token in tokens])
    known = [at for at, row in enumerate(rows) if row is not None and not is_exact(tokens[at])]
    filled = [at for at, found in enumerate(passages) if len(found)]
    if not known or not filled:
        return near
    asked = meanings.vectors_of(np.array([rows[at] for at in known], dtype=np.intp))
    starts = np.cumsum([0] + [len(passages[at]) for at in filled[:-1]])
    said = meanings.vectors_of(np.concatenate([passages[at] for at in filled]))
    best = np.maximum.reduceat(asked @ said.T, starts, axis=1)
    cells = np.ix_(known, filled)
    near[cells] = np.maximum(near[cells], np.clip(best, 0, 1))
    return near


def _weight(token: Token, weighed: WeightedQuery, at: int) -> float:
    """Weigh a token by how rare it is in the language at large: filler that no document holds weighs little."""
    frequency = meanings.frequency_of(token, weighed.question.language)
    rarity = min(1.0, max(_LEAST_WEIGHT, (_COMMON - frequency) / _SPAN))
    return rarity * (_GENERIC if weighed.is_generic(at) else 1.0) * weighed.question.shares[at]


@lru_cache(maxsize=4096)
def meanings_of(terms: frozenset[str], language: str) -> NDArray[np.intp]:
    """Return the meanings of a passage's terms; remembered, because a passage is looked at again and again."""
    return meanings.rows_of(terms, language)


@lru_cache(maxsize=4096)
def heading_meaning(heading: tuple[Token, ...], language: str) -> meanings.Vectors:
    """Return what a heading means as a whole."""
    rows = [row for token in heading if (row := meanings.row_of(token, language)) is not None]
    return meanings.sentence(np.array(rows, dtype=np.intp))


def _closed_classes(weighed: WeightedQuery, candidates: Sequence[Candidate]) -> list[Matrix]:
    """Return what is asked for and not there of places, days and numbers, none of which is like another."""
    tokens = weighed.question.tokens
    places = [token for token in tokens if is_place(token)]
    days = [token for token in tokens if is_exact(token) and not is_place(token)]
    numbers = [token for token in tokens if token.is_number]
    away = [any(not match(place, candidate.terms) for place in places) for candidate in candidates]
    here = [gone and _EVERYWHERE not in candidate.terms for gone, candidate in zip(away, candidates, strict=True)]
    exact = [any(not match(day, candidate.terms) for day in days) for candidate in candidates]
    number = [any(not match(number, candidate.terms) for number in numbers) for candidate in candidates]
    return [np.array(column, dtype=float) for column in (away, here, exact, number)]


def _kinds(weighed: WeightedQuery, candidates: Sequence[Candidate]) -> list[Matrix]:
    """Return which share of the asked kinds, such as a price, a passage holds, and whether it holds none of them."""
    asked = ANSWERED_BY_LOOKS & asked_kinds(weighed.question.text)
    if not asked:
        return [np.full(len(candidates), _NOTHING_ASKED), np.zeros(len(candidates))]
    met = np.array(
        [len(asked & answered_kinds(candidate.row["text"], is_row=candidate.is_row)) for candidate in candidates]
    ) / len(asked)
    return [met, (met == 0).astype(float)]


def _asked(weighed: WeightedQuery, words: _WordMeanings) -> list[float]:
    question = weighed.question
    count = len(question.tokens)
    points = [at for at in range(count) if not weighed.is_generic(at)]
    unknown = [at for at in range(count) if not weighed.is_known(at)]
    everywhere, anywhere = words.anywhere()
    languages: tuple[Any, ...] = ("ar", "ary", "ary-Latn", "en")
    kinds = asked_kinds(question.text)
    return [
        min(count, 10) / 10,
        len(unknown) / count,
        len(set(points) & set(unknown)) / max(1, len(points)),
        float(not points),
        everywhere,
        anywhere,
        words.unknown / count,
        float(min(question.shares) < 1),
        *(float(question.language == language) for language in languages),
        *(float(kind in kinds) for kind in _ASKED),
    ]


def _reciprocal_ranks(scores: Matrix) -> Matrix:
    """Return what reciprocal rank fusion gives each; what a search did not find gains nothing."""
    return np.where(scores > 0, 1 / (_K + _ranks(scores)), 0.0)


def _ranks(scores: Matrix) -> Matrix:
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    return ranks


def _z(values: Matrix) -> Matrix:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 1e-9 else np.zeros_like(values)
