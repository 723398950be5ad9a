"""A short message leans on the question before it; one that is long enough stands for itself."""

import pytest

from salambot.core.schemas import Turn
from salambot.language.query_rewriting import read, readings

ASKED = [Turn(role="user", content="Quel est le prix du tapis rouge ?"), Turn(role="assistant", content="900 DH.")]


@pytest.mark.parametrize("prompt", ["et le bleu ?", "وبشحال الزرق؟", "w lzre9?", "à partir de quel âge ?"])
def test_a_short_message_is_read_with_the_question_before(prompt: str) -> None:
    assert read(prompt, ASKED).before == ASKED[0].content


def test_a_short_message_that_leans_on_nothing_may_stand_for_itself() -> None:
    assert [reading.before for reading in readings("Quels sont vos horaires ?", ASKED)] == [ASKED[0].content, ""]
    assert [reading.before for reading in readings("et le bleu ?", ASKED)] == [ASKED[0].content]
    assert [reading.before for reading in readings("Quels sont vos horaires ?", [])] == [""]


def test_a_long_question_stands_for_itself() -> None:
    assert read("Est-ce que vous livrez aussi à l'étranger le week-end ?", ASKED).before == ""


def test_a_courtesy_is_no_question_to_lean_on() -> None:
    thanks = [*ASKED, Turn(role="user", content="merci"), Turn(role="assistant", content="Avec plaisir !")]
    assert read("et le bleu ?", thanks).before == ASKED[0].content


@pytest.mark.parametrize(
    ("asked", "prompt", "before"),
    [
        ("Prix de l'huile 100 ml", "et en 50 ml ?", "Prix de l'huile ml"),
        ("Vous livrez à Rabat ?", "et Salé ?", "Vous livrez à ?"),
        ("واش كتوصلو لكازا", "و لأكادير؟", "واش كتوصلو"),
        ("Ouvert le samedi ?", "w l7ed?", "Ouvert le ?"),
        ("Prix à Rabat le samedi", "et Fès ?", "Prix à le samedi"),
    ],
)
def test_a_number_place_or_day_stands_for_the_one_before(asked: str, prompt: str, before: str) -> None:
    assert read(prompt, [Turn(role="user", content=asked)]).before == before
