"""The charset of a text file is found: declared, marked, or by its letters."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot.knowledge.parsers.base import UnreadableDocumentError
from salambot.knowledge.parsers.encoding import decode

FRENCH = "Délais de livraison : deux à trois jours ouvrés, l’été comme à Noël. Échange gratuit, 20 € de frais sinon.\n"
DOS_FRENCH = "Prix du thé : élevé à Salé, très sucré, préparé là-bas.\n"
ARABIC = "أوقات العمل: من التاسعة صباحا إلى السابعة مساء، والتوصيل مجاني داخل المدينة.\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *(
            (FRENCH, name)
            for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "mac_roman")
        ),
        (DOS_FRENCH, "cp850"),
        (DOS_FRENCH, "cp1252"),
        *((ARABIC, name) for name in ("utf-8", "utf-16", "cp1256")),
        (ARABIC.replace("،", ","), "iso8859-6"),
        *(
            (text, name)
            for text in ("Oui", "نعم، 5 دراهم", "À 9 h – l’été")
            for name in ("utf-8", "utf-16-le", "utf-16-be")
        ),
        ("Plain ASCII.\n", "ascii"),
    ],
)
def test_a_text_is_decoded_without_a_declaration(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declared_charset_is_obeyed_and_a_wrong_one_is_not() -> None:
    assert decode("Déjà 20 €".encode("cp1252"), "iso-8859-1") == "Déjà 20 €", "as browsers read it"
    assert decode("prix : 5 ¤".encode("latin-1"), "iso-8859-15") == "prix : 5 €"
    assert decode("Déjà".encode(), "windows-1252") == "Déjà", "it is UTF-8, whatever it says"
    assert decode("Déjà vu".encode("cp1252"), "no-such-charset") == "Déjà vu"


def test_lines_of_two_programs_and_text_that_was_decoded_wrongly_once_are_repaired() -> None:
    assert (
        decode("Thé préparé\n".encode() + "Café torréfié\n".encode("cp1252") + "Été\n".encode())
        == "Thé préparé\nCafé torréfié\nÉté\n"
    )
    assert decode(FRENCH.encode().decode("cp1252").encode()) == FRENCH
    assert decode("Cut off: Salé".encode() + b"\xc3") == "Cut off: Salé"


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n", b"PK\x03\x04....", b"{\\rtf1 x}", b"\x00\x01\x02\x03", bytes(range(32)) * 9]
)
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableDocumentError, match="binary"):
        decode(content)


@given(st.text("abéà ç123\nابت", min_size=1, max_size=40), st.integers(0, 40))
def test_one_null_character_changes_no_other(text: str, place: int) -> None:
    assert decode(f"{text[:place]}\0{text[place:]}x".encode()).replace("\0", "") == f"{text}x"


@given(st.binary(max_size=200), st.sampled_from(["", "utf-8", "windows-1256", "x"]))
def test_any_bytes_give_a_text_or_are_refused(content: bytes, declared: str) -> None:
    with contextlib.suppress(UnreadableDocumentError):
        assert "\r" not in decode(content, declared)
