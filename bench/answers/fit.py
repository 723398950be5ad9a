"""Fit the decision whether to answer, and judge it by leaving one business out at a time."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.answers.business import Business, LabelledQuestion, holds_answer
from bench.answers.index import ask_after, build_index, share
from salambot.knowledge.embedders.base import Embedder
from salambot.language.policy import refusal_of
from salambot.rag.calibration import DECISION_FEATURES, Calibration, decision_features
from salambot.rag.candidates import Candidate
from salambot.rag.evidence import PASSAGE_FEATURES, Evidence, Matrix, weigh_evidence

FALSE_RATE = 0.05
"""Of the questions that nothing answers, the share that may be answered: the floor is found for it."""
_RANK_PENALTY, _DECISION_PENALTY = 3.0, 10.0
"""Ridge. Chosen, as all here, by leaving one business out."""
_WEIGHT = 100.0
"""Each business weighs as much as this many questions, however many it has."""


_NOTHING = Evidence(np.zeros((0, len(PASSAGE_FEATURES))), np.zeros(0), np.zeros(0, dtype=bool))
"""The evidence where nothing was found, or nothing asked."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question with the evidence for its candidates, and which of them hold the answer."""

    business: str
    question: LabelledQuestion
    evidence: Evidence
    right: Matrix
    alone: Mapping[str, Matrix] = field(default_factory=dict)
    """What single searches give each candidate: the peers that the fitted order is compared with."""
    candidates: Sequence[Candidate] = ()

    @property
    def is_answerable(self) -> bool:
        """Return True if a document answers."""
        return bool(self.question.documents)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: the first passage's probability, and at which place the first right passage stands."""

    case: Case
    probability: float
    place: int


async def collect(businesses: Iterable[Business], embedder: Embedder) -> list[Case]:
    """Search for every question in the index of its business."""
    cases = []
    for business in businesses:
        index = await build_index(business, embedder)
        for labelled in business.questions:
            if labelled.documents and not any(holds_answer(labelled, item) for item in business.chunks):
                continue  # a parser lost the fact: no ranking finds it
            question = ask_after(labelled.text, labelled.before)
            weighed, candidates, chunks = index.find(question, await embedder.embed_question(question.text))
            if refusal_of(labelled.text) or not question.tokens or not candidates:
                cases.append(Case(business.name, labelled, _NOTHING, np.zeros(0)))
                continue
            right = np.array([holds_answer(labelled, item) if labelled.documents else False for item in chunks])
            alone = {
                "BM25": np.array([candidate.bm25 or 0.0 for candidate in candidates]),
                "vectors": np.array([candidate.similarity or 0.0 for candidate in candidates]),
            }
            cases.append(Case(business.name, labelled, weigh_evidence(weighed, candidates), right, alone, candidates))
    return cases


def fit(cases: Sequence[Case]) -> Calibration:
    """Return the coefficients that fit best, with a floor of 0."""
    usable = [case for case in cases if len(case.right)]
    counts = Counter(case.business for case in usable)
    rank = _fit_ranking([case for case in usable if case.right.any()], counts)
    rows, labels, weights = [], [], []
    for case in usable:
        scores = case.evidence.passages @ rank
        first = int(np.argmax(scores))
        rows.append(decision_features(case.evidence, scores)[first])
        labels.append(float(case.right[first]))
        weights.append(_WEIGHT / counts[case.business])
    bias, decision = _fit_logistic(np.array(rows), np.array(labels), np.array(weights))
    return Calibration(rank, bias, decision, 0.0)


def _fit_ranking(cases: Sequence[Case], counts: Counter[str]) -> Matrix:
    """Maximise the likelihood that a right passage is drawn, by Adam: a softmax over each question's candidates."""
    widest = max(len(case.right) for case in cases)
    passages = np.zeros((len(cases), widest, len(PASSAGE_FEATURES)))
    right, absent = np.zeros((len(cases), widest)), np.full((len(cases), widest), -np.inf)
    for at, case in enumerate(cases):
        passages[at, : len(case.right)], right[at, : len(case.right)] = case.evidence.passages, case.right
        absent[at, : len(case.right)] = 0.0
    shares = np.array([_WEIGHT / counts[case.business] for case in cases])[:, None]
    weights = np.zeros(len(PASSAGE_FEATURES))
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, 401):
        scores = passages @ weights + absent
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        drawn = chances * right
        target = drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1e-12)
        pull = np.tensordot(shares * (target - chances), passages, axes=2)
        gradient = (pull - _RANK_PENALTY * weights) / shares.sum()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.99 * square + 0.01 * gradient**2
        weights += 0.03 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    return weights


def _fit_logistic(rows: Matrix, labels: Matrix, weights: Matrix) -> tuple[float, Matrix]:
    """Return bias and weights of a ridge-penalised logistic regression, by Newton's method on standardised features."""
    centre, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    features = np.column_stack([np.ones(len(rows)), (rows - centre) / spread])
    penalty = np.diag([1e-6] + [_DECISION_PENALTY] * rows.shape[1])
    found = np.zeros(features.shape[1])
    for _ in range(50):
        chances = 1 / (1 + np.exp(-features @ found))
        gradient = features.T @ (weights * (labels - chances)) - penalty @ found
        curvature = (features * (weights * chances * (1 - chances))[:, None]).T @ features + penalty
        step = np.linalg.solve(curvature, gradient)
        found += step
        if float(np.abs(step).max()) < 1e-6:
            break
    return float(found[0] - (found[1:] * centre / spread).sum()), found[1:] / spread


def judge(cases: Iterable[Case], fitted: Calibration) -> list[Outcome]:
    """Return what coefficients make of cases."""
    outcomes = []
    for case in cases:
        if not len(case.right):
            outcomes.append(Outcome(case, 0.0, -1))
            continue
        order = np.argsort(-fitted.scores(case.evidence), kind="stable")
        places = np.flatnonzero(case.right[order])
        probability = float(fitted.probabilities(case.evidence)[order[0]])
        outcomes.append(Outcome(case, probability, int(places[0]) if len(places) else -1))
    return outcomes


def without_cosines(case: Case) -> Case:
    """Return a case as an embedder sees it whose cosines are not known: only their order and spread count."""
    passages = case.evidence.passages.copy()
    passages[:, PASSAGE_FEATURES.index("semantic")] = 0.0
    return replace(case, evidence=replace(case.evidence, passages=passages))


def judge_alone(cases: Iterable[Case], search: str) -> list[Outcome]:
    """Return what one search makes of cases, its score taken for a probability."""
    outcomes = []
    for case in cases:
        scores = case.alone.get(search, np.zeros(0))
        order = np.argsort(-scores, kind="stable")
        places = np.flatnonzero(case.right[order]) if len(scores) else np.zeros(0)
        best = float(scores[order[0]]) if len(scores) else -np.inf
        outcomes.append(Outcome(case, best, int(places[0]) if len(places) else -1))
    return outcomes


def compare(outcomes: Sequence[Outcome], cases: Sequence[Case]) -> list[str]:
    """Return a table of what is answered right, by language, beside single searches at the same false rate."""
    rivals = {"fitted": outcomes, "BM25": judge_alone(cases, "BM25"), "vectors": judge_alone(cases, "vectors")}
    names = list(dict.fromkeys(case.question.language for case in cases))
    lines = [f"| right, at {FALSE_RATE:.0%} false | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for rival, judged in rivals.items():
        floor = floor_for(judged)
        groups = dict(_groups([o for o in judged if o.case.is_answerable], lambda o: o.case.question.language))
        right = [share([o.place == 0 and o.probability >= floor for o in groups.get(name, [])]) for name in names]
        lines.append(f"| {rival} | {' | '.join('–' if np.isnan(cell) else f'{100 * cell:.0f}' for cell in right)} |")
    return lines


def fit_folds(cases: Sequence[Case]) -> dict[str, Calibration]:
    """Return for each business the coefficients that were fitted on the others."""
    names = dict.fromkeys(case.business for case in cases)
    return {name: fit([case for case in cases if case.business != name]) for name in names}


def leave_one_out(cases: Sequence[Case], folds: Mapping[str, Calibration]) -> list[Outcome]:
    """Judge each business by coefficients that were fitted on the others."""
    return [outcome for case in cases for outcome in judge([case], folds[case.business])]


def floor_for(outcomes: Sequence[Outcome], rate: float = FALSE_RATE) -> float:
    """Return the lowest floor that lets at most `rate` of the unanswerable questions through, by mean of businesses."""
    names = {outcome.case.business for outcome in outcomes}
    floor = np.inf
    for candidate in sorted({outcome.probability for outcome in outcomes}, reverse=True):
        rates = [
            share(
                [o.probability >= candidate for o in outcomes if o.case.business == name and not o.case.is_answerable]
            )
            for name in names
        ]
        if float(np.nanmean(rates)) > rate:
            break
        floor = candidate
    return floor


def report(outcomes: Sequence[Outcome], floor: float) -> list[str]:
    """Return a table of what is answered at a floor: by business, language and kind."""
    lines = [
        "| | questions | first | first 3 | first 8 | right | refused | wrong | unanswerable | false |",
        "|---|---:|" + "---:|" * 8,
    ]
    tuned_less = [outcome for outcome in outcomes if outcome.case.business != "shop"]
    groups = [("all", list(outcomes)), *_groups(outcomes, lambda o: o.case.business)]
    groups += _groups(tuned_less, lambda o: o.case.question.language) + _groups(
        tuned_less, lambda o: o.case.question.kind
    )
    return lines + [_line(name, members, floor) for name, members in [*groups, ("all but the shop", tuned_less)]]


def _groups(outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> list[tuple[str, list[Outcome]]]:
    names = dict.fromkeys(map(key, outcomes))
    return [(name, [outcome for outcome in outcomes if key(outcome) == name]) for name in names]


def _line(name: str, outcomes: Sequence[Outcome], floor: float) -> str:
    asked = [outcome for outcome in outcomes if outcome.case.is_answerable]
    nothing = [outcome for outcome in outcomes if not outcome.case.is_answerable]
    answered = [outcome.probability >= floor for outcome in asked]
    cells = [
        share([o.place == 0 for o in asked]),
        share([0 <= o.place < 3 for o in asked]),
        share([0 <= o.place < 8 for o in asked]),
        share([o.place == 0 and yes for o, yes in zip(asked, answered, strict=True)]),
        share([not yes for yes in answered]),
        share([o.place != 0 and yes for o, yes in zip(asked, answered, strict=True)]),
    ]
    shares = " | ".join("–" if np.isnan(cell) else f"{100 * cell:.0f}" for cell in cells)
    false = share([outcome.probability >= floor for outcome in nothing])
    return f"| {name} | {len(asked)} | {shares} | {len(nothing)} | {'–' if np.isnan(false) else f'{100 * false:.0f}'} |"


def to_json(fitted: Calibration, floor: float) -> dict[str, object]:
    """Return an entry of calibration.json: every coefficient by its name."""
    return {
        "floor": round(floor, 4),
        "bias": round(fitted.bias, 4),
        "rank": {name: round(float(w), 4) for name, w in zip(PASSAGE_FEATURES, fitted.rank, strict=True)},
        "decision": {name: round(float(w), 4) for name, w in zip(DECISION_FEATURES, fitted.decision, strict=True)},
    }
