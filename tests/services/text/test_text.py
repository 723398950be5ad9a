"""Text is compared by what it says, however it is spelled."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salambot.language.analysis import CONCEPT, analyse
from salambot.language.normalisation import normalise, words
from salambot.language.skeleton import fold_arabizi, skeletons


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("أُرْجِعُ", "ارجع"),
        ("مـــدرسة", "مدرسه"),
        ("إلى", "الي"),
        ("١٤ يوم", "14 يوم"),
        ("ﻻ", "لا"),
        ("ÉTÉ", "été"),
        ("كَادُو ڭاع", "كادو كاع"),
    ],
)
def test_spellings_become_one(one: str, other: str) -> None:
    assert words(normalise(one)) == words(normalise(other))


@pytest.mark.parametrize(
    ("arabizi", "arabic"),
    [
        ("nrje3", "نرجع"),
        ("nraje3", "نرجع"),
        ("lflous", "الفلوس"),
        ("khlas", "خلاص"),
        ("mherres", "مهرس"),
        ("tbdil", "تبديل"),
        ("garantie", "كارانتي"),
        ("ramdan", "رمضان"),
        ("9amis", "قميص"),
        ("ghalta", "غلطة"),
    ],
)
def test_both_scripts_of_darija_meet(arabizi: str, arabic: str) -> None:
    heard = {fold_arabizi(form) for form in skeletons(normalise(arabic))}
    assert heard & {fold_arabizi(form) for form in skeletons(arabizi)}


@given(st.text(alphabet=string.ascii_lowercase + string.digits + "ابتثجحخدذرزسشصضطظعغفقكلمنهوي", max_size=30))
def test_skeletons_are_long_enough_and_without_vowels(word: str) -> None:
    for skeleton in skeletons(word):
        assert len(skeleton) >= 3
        assert not set(skeleton) & set("aeiouاوي")


@settings(deadline=None)  # the first example reads the concepts
@given(st.text(max_size=200), st.sampled_from(["fr", "ar", "ary", "ary-Latn", "en"]))
def test_every_token_has_a_form(text: str, language: str) -> None:
    for token in analyse(text, language):
        assert token.forms
        assert all(form and not form.startswith(CONCEPT) for form in token.forms)


@pytest.mark.parametrize(
    ("word", "language", "concept"),
    [
        ("remboursée", "fr", "refund"),
        ("remboursee", "fr", "refund"),
        ("الإرجاع", "ar", "return"),
        ("نرجعها", "ary", "return"),
        ("nrje3", "ary-Latn", "return"),
        ("deliveries", "en", "delivery"),
        ("بالتقسيط", "ary", "instalments"),
        ("où", "fr", "where"),
    ],
)
def test_words_mean_what_a_shop_means(word: str, language: str, concept: str) -> None:
    (token,) = analyse(word, language)
    assert CONCEPT + concept in token.concepts


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "fr"),
        ("😀🎉", "fr"),
        ("?!…", "en"),
        ("le la les de", "fr"),
        ("واش ديال", "fr"),
        ("wach dyal", "ary-Latn"),
    ],
)
def test_some_texts_say_nothing(text: str, language: str) -> None:
    assert analyse(text, language) == []


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("Quel est le prix du thé ?", "fr", {"prix", "the"}),
        ("ouvert cet été", "fr", {"ouvert", "ete"}),
        ("rent a car for men", "en", {"rent", "car", "men"}),
        ("le marché de Noël", "fr", {"marche", "noel"}),
    ],
)
def test_a_stop_word_belongs_to_a_language(text: str, language: str, said: set[str]) -> None:
    assert {token.word for token in analyse(text, language)} == said


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [("Fès", "فاس", "fr"), ("fez", "Fas", "en"), ("tanja", "Tanger", "ary-Latn"), ("lundi", "monday", "fr")],
)
def test_a_place_and_a_day_are_themselves_in_each_language(one: str, other: str, language: str) -> None:
    (first,), (second,) = analyse(one, language), analyse(other, language)
    assert set(first.concepts) & set(second.concepts)


def test_no_two_places_are_alike() -> None:
    (first,), (second,) = analyse("Casablanca", "fr"), analyse("Tanger", "fr")
    assert not set(first.concepts) & set(second.concepts)


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("When will I get my money back?", {"#when", "#refund"}),
        ("how can I send it back", {"#return"}),
        ("نخلص شوية بشوية", {"#pay", "#instalments"}),
        ("money, not the back of it", {"#money"}),
    ],
)
def test_a_listed_phrase_is_one_token(text: str, concepts: set[str]) -> None:
    assert {concept for token in analyse(text, "en") for concept in token.concepts} == concepts
