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
