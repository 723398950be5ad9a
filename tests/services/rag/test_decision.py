"""True if to answer: by what the question says, in whatever language, and not by what every question says."""

from collections.abc import Sequence

import numpy as np
import pytest

from bench.answers.business import Business, IndexedChunk
from bench.answers.index import ask_after, build_index
from salambot.core.schemas import Passage
from salambot.knowledge.chunks import chunk
from salambot.knowledge.embedders.local import LocalEmbedder
from salambot.knowledge.parsers import parse
from salambot.rag.calibration import load_calibration
from salambot.rag.ranking import rank

PAGE = """# Atelier de poterie

## Combien coûte un cours de poterie ?

Le cours coûte 250 DH, terre et cuisson comprises.

## Horaires

L'atelier est ouvert du mardi au samedi, de 10 h à 18 h.

## Où êtes-vous ?

L'atelier se trouve à Safi, 12 rue des Potiers.

## Cuisson de vos pièces

Nous cuisons vos pièces à 1 050 degrés pour 40 DH le kilo.
"""


async def find(text: str, before: Sequence[str] = (), floor: float | None = None) -> list[Passage]:
    document = parse("atelier.md", PAGE.encode())
    chunks = tuple(IndexedChunk("atelier.md", document.title, piece) for piece in chunk(document))
    embedder = LocalEmbedder()
    index = await build_index(Business("pottery", chunks, ()), embedder)
    question = ask_after(text, before)
    weighed, candidates, _ = index.find(question, await embedder.embed_question(question.text))
    calibration = load_calibration("local")
    return rank(weighed, candidates, calibration, floor=calibration.floor if floor is None else floor, top_k=8)


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("Combien coûte un cours de poterie ?", "250 DH"),
        ("combien ça coûte svp le cours", "250 DH"),
        ("vos horaires svp", "mardi au samedi"),
    ],
)
async def test_words_of_the_question_find_the_answer(question: str, fact: str) -> None:
    assert fact in (await find(question))[0].text


async def test_a_question_in_another_language_finds_the_passage() -> None:
    assert "250 DH" in (await find("how much is a pottery class?", floor=0.0))[0].text


@pytest.mark.parametrize(
    "question",
    [
        "Avez-vous un atelier à Tanger ?",
        "Vendez-vous des avions ?",
        "Quelle est la capitale du Japon ?",
        "واش كتبيعو الطيارات",
        "Do you rent motorhomes?",
    ],
)
async def test_what_no_document_says_is_not_answered(question: str) -> None:
    assert await find(question) == []


async def test_a_question_on_something_else_is_not_answered_by_the_one_before() -> None:
    assert await find("Vendez-vous des avions ?", ["Combien coûte un cours de poterie ?", "250 DH."]) == []


async def test_without_a_floor_a_model_gets_passages_to_judge() -> None:
    found = await find("Avez-vous un atelier à Tanger ?", floor=0.0)
    assert len(found) > 1
    scores = [passage.score for passage in found]
    assert scores == sorted(scores, reverse=True)
    assert np.all((np.array(scores) >= 0) & (np.array(scores) <= 1))
