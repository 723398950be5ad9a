"""Whatever a file says can be stored, and Arabic stands in reading order and ordinary letters."""

import json

import pytest
from bidi import get_display
from hypothesis import given
from hypothesis import strategies as st

from salambot.language.arabic_order import is_mostly_visual_order, to_logical_order
from salambot.language.storable import count_unstorable, make_storable


@pytest.mark.parametrize(
    ("text", "storable"),
    [
        ("o\x00ffres", "offres"),
        ("\ud83d\ude00 et \ud83d seul", "😀 et  seul"),
        ("9 h\u2028à 18 h\u2029tous\x0bles\x85jours\r\n", "9 h\nà 18 h\ntous\nles\njours\n"),
        ("e\u0301te\u0301", "été"),
        ("oﬀre ﬁxe", "offre fixe"),
        ("\u200bco\u00adde\ufeff\u202e\u2066x", "codex"),
        ("\uf0b7 un \ue123", "• un "),
        ("ﺿﻤﺎﻥ ﺍﻟﺤﺸﻮﺍﺕ", "ضمان الحشوات"),
        ("ﺕﺍﻮﺸﺤﻟﺍ ﻥﺎﻤﺿ", "ضمان الحشوات"),
        ("ﺎﻣﻮﻳ 14 ﻝﻼﺧ", "خلال 14 يوما"),
        ("٪ و 👨‍👩‍👧", "٪ و 👨‍👩‍👧"),
        ("", ""),
    ],
)
def test_a_text_becomes_storable(text: str, storable: str) -> None:
    assert make_storable(text) == storable


def test_what_no_store_takes_is_counted() -> None:
    assert count_unstorable("a\0b\ud83dc\ufffe😀é") == 3


@given(st.text(st.characters()))
def test_any_text_can_be_stored_and_once_is_enough(text: str) -> None:
    storable = make_storable(text)
    assert "\0" not in storable
    assert json.loads(json.dumps(storable)) == storable
    assert storable.encode().decode() == storable
    assert make_storable(storable) == storable


def test_a_document_in_the_order_of_the_eye_is_noticed_by_its_words() -> None:
    lines = ["نفتح من الاثنين إلى السبت", "المحل يوجد في المدينة القديمة", "التوصيل بثمن 20 درهما"]
    assert not is_mostly_visual_order(lines)
    turned = [str(get_display(line, base_dir="R")) for line in lines]
    assert is_mostly_visual_order(turned)
    assert [to_logical_order(line) for line in turned] == lines
    assert not is_mostly_visual_order(["Bonjour", "لا"])
