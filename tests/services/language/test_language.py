"""What holds of the detector for any text, and the cases where the prior has to decide."""

from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salambot.core.schemas import Language
from salambot.language.detection import LOOKED_AT, detect, detect_turn, fold_arabic, fold_latin, language_of_locale

LANGUAGES = get_args(Language)
LOCALES = st.sampled_from([None, "fr-MA", "ar-MA", "ary", "ary-Latn-MA", "en_US", "de-DE", "xx"])


@settings(deadline=None)  # the first text loads the model
@given(st.text(max_size=2 * LOOKED_AT), LOCALES)
def test_any_text_has_one_language_of_ours_and_always_the_same(text: str, locale: str | None) -> None:
    language = detect(text, locale)
    assert language in LANGUAGES
    assert detect(text, locale) == language


@given(st.text(st.characters(categories=["So", "Nd", "Po", "Zs", "Cc"]), max_size=60), LOCALES)
@example("20 ℃", "ar-MA")
@example("250 ﷼", "en-US")
@example("Ⓜ", "ar-MA")
@example("\u0670", "en-US")
def test_without_letters_the_prior_decides(text: str, locale: str | None) -> None:
    letterless = "".join(character for character in text if not character.isalpha())
    assert detect(letterless, locale) == (language_of_locale(locale) or "fr")


@given(st.text(max_size=LOOKED_AT))
def test_what_follows_the_look_changes_nothing(text: str) -> None:
    start = text.ljust(LOOKED_AT, ".")
    assert detect(start) == detect(start + " where is the refund that you promised to me ?" * 50)


@given(st.text(max_size=80), st.text(st.characters(max_codepoint=0x24F), max_size=80))
def test_folding_twice_is_folding_once(any_text: str, latin: str) -> None:
    assert fold_arabic(fold_arabic(any_text)) == fold_arabic(any_text)
    assert fold_latin(fold_latin(latin)) == fold_latin(latin)


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("fr-MA", "fr"),
        ("ar_MA", "ar"),
        ("ary", "ary"),
        ("ary-Latn-MA", "ary-Latn"),
        ("EN-us", "en"),
        ("de", None),
        (None, None),
    ],
)
def test_a_locale_names_a_language(locale: str | None, language: Language | None) -> None:
    assert language_of_locale(locale) == language


@pytest.mark.parametrize(
    ("text", "locale", "language"),
    [
        ("", None, "fr"),
        ("😀😀😀", "ar-MA", "ar"),
        ("ok", "fr-MA", "fr"),
        ("ok", "en-US", "en"),
        ("مرحبا hello", "en-GB", "en"),
        ("سلام", None, "ary"),
        ("التوصيل", "ary-MA", "ary"),
        ("Je veux une PS5, 3kg et un mp3", None, "fr"),
        ("b2b order, 2nd floor", None, "en"),
        ("merci khouya", None, "ary-Latn"),
        ("salam, où est ma commande svp ?", None, "fr"),
        ("bghit ندير retour", None, "ary-Latn"),
        ("https://example.com/what/is/this واش", None, "ary"),
        ("Marrakech", None, "fr"),
        ("météo à Marrakech demain", None, "fr"),
        ("mascara", "en-GB", "en"),
        ("prix marina", None, "fr"),
        ("mabghitch", None, "ary-Latn"),
        ("ok great thank you so much!", None, "en"),
        ("واش l'assurance Sérénité كتخلص les pneus", None, "ary"),
    ],
)
def test_the_undecided_and_the_misleading(text: str, locale: str | None, language: Language) -> None:
    assert detect(text, locale) == language


@pytest.mark.parametrize(
    ("text", "spoken", "language"),
    [
        ("w duster?", "ary-Latn", "ary-Latn"),
        ("la Duster ?", "ary-Latn", "ary-Latn"),
        ("و لأكادير؟", "ary", "ary"),
        ("وإلا درت ربعة؟", "ary", "ary"),
        ("ch7al?", "fr", "ary-Latn"),
        ("ok great thank you", "fr", "en"),
        ("Est-ce que vous livrez à Tanger ?", "ary-Latn", "fr"),
    ],
)
def test_a_short_turn_takes_the_language_of_its_conversation(text: str, spoken: Language, language: Language) -> None:
    assert detect_turn(text, spoken) == language
