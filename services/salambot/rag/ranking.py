"""From candidates to results: ordered, each with the probability that it answers, without doubles."""

from collections.abc import Sequence

import numpy as np

from salambot.core.schemas import Passage
from salambot.rag.calibration import Calibration
from salambot.rag.candidates import Candidate
from salambot.rag.evidence import Evidence, weigh_evidence
from salambot.rag.query import WeightedQuery

_SAME = 0.9
"""Two passages with this much of their terms in common (Jaccard) say the same."""
_COMPANY = 0.25
"""Of the floor: what the passages after the first must reach. They are read only because the first one answers."""


def rank(
    weighed: WeightedQuery, candidates: Sequence[Candidate], calibration: Calibration, *, floor: float, top_k: int
) -> list[Passage]:
    """Return the best passages, at most `top_k`, best first; none when the first one's probability is below `floor`."""
    if not candidates:
        return []
    return choose(weigh_evidence(weighed, candidates), candidates, calibration, floor=floor, top_k=top_k)


def choose(
    evidence: Evidence, candidates: Sequence[Candidate], calibration: Calibration, *, floor: float, top_k: int
) -> list[Passage]:
    """Return what `rank` returns, of candidates that are weighed already."""
    order = np.argsort(-calibration.scores(evidence), kind="stable")
    probabilities = calibration.probabilities(evidence)
    if probabilities[order[0]] < floor:
        return []
    limits = (floor if at == 0 else _COMPANY * floor for at in range(len(order)))
    chosen = [int(at) for at, limit in zip(order, limits, strict=True) if probabilities[at] >= limit]
    kept = _without_doubles(candidates, chosen, top_k)
    scores = np.minimum.accumulate(probabilities[kept])  # the order is the ranking's, and a score never rises in it
    return [candidates[at].passage(float(score)) for at, score in zip(kept, scores, strict=True)]


def _without_doubles(candidates: Sequence[Candidate], ordered: Sequence[int], top_k: int) -> list[int]:
    kept: list[int] = []
    for at in ordered:
        if not any(_same(candidates[at].terms, candidates[other].terms) for other in kept):
            kept.append(at)
            if len(kept) == top_k:
                break
    return kept


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _SAME * len(one | other)
