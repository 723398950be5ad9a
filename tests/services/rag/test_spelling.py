"""Beside a model's cosines candidates have their likeness by spelling, and evidence keeps both apart."""

import numpy as np
import pytest

from salambot.rag.candidates import Candidate
from salambot.rag.evidence import PASSAGE_FEATURES, weigh_evidence
from salambot.rag.query import analyse_query, weight_query
from salambot.rag.spelling import with_spelling

TEXTS = {"Le retour est gratuit pendant 14 jours.": 0.9, "Nous livrons à Casablanca en 24 heures.": 0.8}


def candidates() -> list[Candidate]:
    row = {"path": "a.md", "number": 0, "heading": "", "language": "fr", "title": "", "metadata": "{}"}
    return [Candidate("demo", row | {"text": text}, frozenset(), (), None, cosine) for text, cosine in TEXTS.items()]


def test_spelling_finds_the_passage_that_writes_the_question() -> None:
    retour, livraison = with_spelling("livraison a casablanca", candidates())
    assert retour.spelling is not None
    assert livraison.spelling is not None
    assert livraison.spelling > retour.spelling
    assert (retour.similarity, livraison.similarity) == (0.9, 0.8)


@pytest.mark.parametrize(
    ("question", "darija"), [("Combien de jours pour un retour ?", False), ("ch7al d nhar bach nrje3 lcommande?", True)]
)
def test_a_model_s_cosines_weigh_by_themselves_and_apart_for_darija(question: str, darija: bool) -> None:
    weighed = weight_query(analyse_query(question), {}, len(TEXTS))
    plain = weigh_evidence(weighed, candidates()).passages
    both = weigh_evidence(weighed, with_spelling(question, candidates())).passages
    at = {name: PASSAGE_FEATURES.index(name) for name in PASSAGE_FEATURES}
    assert not plain[:, at["semantic"] :].any()
    assert np.allclose(plain[:, at["similarity"]], [0.9, 0.8])
    assert both[0, at["semantic"]] == pytest.approx(0.0 if darija else 0.6)
    assert both[0, at["semantic_rank_darija"]] == (1.0 if darija else 0.0)
    assert both[0, at["semantic_rank"]] == (0.0 if darija else 1.0)
