"""Fitted coefficients: from what speaks for a passage to the probability that it holds the answer.

`python -m bench.answers --fit` finds them, by leaving one business out at a time, and writes calibration.json.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from salambot.rag.evidence import PASSAGE_FEATURES, QUESTION_FEATURES, Evidence, Matrix

FILE = Path(__file__).with_name("calibration.json")
OTHER = "other"
"""The coefficients for embedders that have none of their own: their cosines count by rank and spread only."""
_BEYOND_FIRST = 5
"""The first passage is compared with the next one, and with the mean of this many."""
_ALONE = 3.0
"""By how much a passage leads that has no rival."""
DECISION_FEATURES = ("rank_score", "lead", "lead_over_mean", *PASSAGE_FEATURES, *QUESTION_FEATURES)


@dataclass(frozen=True, slots=True)
class Calibration:
    """`rank` orders passages, `decision` makes a probability of the order's evidence; `floor` is where to answer."""

    rank: Matrix
    bias: float
    decision: Matrix
    floor: float

    @classmethod
    def from_json(cls, fitted: Mapping[str, Any]) -> Self:
        """Build it from its entry in the file; coefficients are named, so that none is taken for another."""
        return cls(
            rank=np.array([fitted["rank"][name] for name in PASSAGE_FEATURES]),
            bias=float(fitted["bias"]),
            decision=np.array([fitted["decision"][name] for name in DECISION_FEATURES]),
            floor=float(fitted["floor"]),
        )

    def scores(self, evidence: Evidence) -> Matrix:
        """Return what orders the passages: more is better, the scale means nothing."""
        return evidence.passages @ self.rank

    def probabilities(self, evidence: Evidence) -> Matrix:
        """Return for each passage the probability that it holds the answer, were it the first one."""
        features = decision_features(evidence, self.scores(evidence))
        found: Matrix = evidence.on_the_point / (1 + np.exp(-(features @ self.decision + self.bias)))
        return found


def decision_features(evidence: Evidence, scores: Matrix) -> Matrix:
    """Return the features of the decision, shape (passages, DECISION_FEATURES)."""
    ordered = np.sort(scores)[::-1]
    best, second = ordered[0], ordered[1] if len(ordered) > 1 else ordered[0] - _ALONE
    rest = ordered[1 : 1 + _BEYOND_FIRST].mean() if len(ordered) > 1 else second
    rival = np.where(scores >= best, second, best)
    asked = np.broadcast_to(evidence.question, (len(scores), len(evidence.question)))
    return np.column_stack([scores, scores - rival, scores - rest, evidence.passages, asked])


@cache
def load_calibration(embedder: str) -> Calibration:
    """Return the coefficients for an embedder, by its name as in EMBEDDER."""
    fitted = json.loads(FILE.read_text(encoding="utf-8"))["coefficients"]
    return Calibration.from_json(fitted.get(embedder, fitted[OTHER]))
