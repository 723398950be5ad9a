"""A search in numbers: the same stages as `ranking.rank`, told in place of decided."""

from collections.abc import Sequence

import numpy as np

from salambot.core.explanations import Decision, ExplainedCandidate, ExplainedTerm, SearchExplanation, Signal
from salambot.rag.calibration import DECISION_FEATURES, Calibration, decision_features
from salambot.rag.candidates import Candidate
from salambot.rag.evidence import PASSAGE_FEATURES, weigh_evidence
from salambot.rag.query import AnalysedQuery, WeightedQuery
from salambot.rag.ranking import rank

_FUSED = PASSAGE_FEATURES.index("fused")


def explain_nothing_asked(question: AnalysedQuery, floor: float) -> SearchExplanation:
    """Explain a question without a word to look up."""
    decision = Decision(answers=False, floor=floor, probability=None, bias=0.0, signals=[])
    return SearchExplanation(
        language=question.language, query=question.text, terms=[], candidates=[], decision=decision
    )


def explain(
    weighed: WeightedQuery, candidates: Sequence[Candidate], calibration: Calibration, *, floor: float, top_k: int
) -> SearchExplanation:
    """Explain what the index made of a question."""
    question = weighed.question
    found = SearchExplanation(
        language=question.language,
        query=question.text,
        terms=_terms(weighed),
        candidates=[],
        decision=Decision(answers=False, floor=floor, probability=None, bias=calibration.bias, signals=[]),
    )
    if not candidates:
        return found
    evidence = weigh_evidence(weighed, candidates)
    scores, probabilities = calibration.scores(evidence), calibration.probabilities(evidence)
    order = [int(at) for at in np.argsort(-scores, kind="stable")]
    returned = {passage.id for passage in rank(weighed, candidates, calibration, floor=floor, top_k=top_k)}
    bm25_ranks = _ranks([candidate.bm25 for candidate in candidates])
    similarity_ranks = _ranks([candidate.similarity for candidate in candidates])
    found.candidates = [
        ExplainedCandidate(
            id=candidates[at].id,
            title=candidates[at].row["title"],
            language=candidates[at].language,
            bm25=candidates[at].bm25,
            bm25_rank=bm25_ranks[at],
            similarity=candidates[at].similarity,
            similarity_rank=similarity_ranks[at],
            fused=evidence.passages[at, _FUSED],
            order=scores[at],
            probability=probabilities[at],
            returned=candidates[at].id in returned,
        )
        for at in order
    ]
    first = decision_features(evidence, scores)[order[0]]
    found.decision.answers = bool(returned)
    found.decision.probability = float(probabilities[order[0]])
    found.decision.signals = _signals(first, calibration)
    return found


def _terms(weighed: WeightedQuery) -> list[ExplainedTerm]:
    question = weighed.question
    return [
        ExplainedTerm(
            word=token.word,
            forms=list(token.forms),
            concepts=list(token.concepts),
            share=question.shares[at],
            weight=weighed.tokens[at],
            known=weighed.is_known(at),
        )
        for at, token in enumerate(question.tokens)
    ]


def _signals(features: np.ndarray[tuple[int], np.dtype[np.float64]], calibration: Calibration) -> list[Signal]:
    contributions = features * calibration.decision
    return [
        Signal(name=DECISION_FEATURES[at], value=features[at], contribution=contributions[at])
        for at in np.argsort(-np.abs(contributions), kind="stable")
    ]


def _ranks(scores: Sequence[float | None]) -> dict[int, int | None]:
    """Return the rank of each, from 1; None where a search did not find it."""
    found = sorted((at for at, score in enumerate(scores) if score is not None), key=lambda at: -(scores[at] or 0.0))
    return {**dict.fromkeys(range(len(scores))), **{at: place for place, at in enumerate(found, 1)}}
