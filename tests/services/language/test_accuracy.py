"""How often the detector is right on sentences that people labelled, a floor for each language."""

from collections import defaultdict
from pathlib import Path
from typing import get_args

import pytest

from salambot.core.schemas import Language
from salambot.language.detection import detect

SENTENCES = [line.split("\t", 1) for line in Path(__file__).with_name("labelled.tsv").read_text("utf-8").splitlines()]
FLOORS = {"fr": 0.96, "ar": 0.93, "ary": 0.93, "ary-Latn": 0.93, "en": 0.93}


def test_the_labelled_list_is_worth_its_name() -> None:
    assert len(SENTENCES) >= 120
    assert {label for label, _ in SENTENCES} == set(get_args(Language))


@pytest.mark.parametrize("language", get_args(Language))
def test_accuracy_reaches_the_floor(language: str) -> None:
    wrong: dict[str, str] = defaultdict(str)
    mine = [sentence for label, sentence in SENTENCES if label == language]
    wrong = {sentence: found for sentence in mine if (found := detect(sentence)) != language}
    assert 1 - len(wrong) / len(mine) >= FLOORS[language], wrong
