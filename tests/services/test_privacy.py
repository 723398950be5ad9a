"""Redaction takes out what identifies a person, in any digits and spacing, and leaves the rest as it was."""

import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban

from salambot.core.privacy import redact

ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
scripts = st.sampled_from([str.maketrans({}), ARABIC_INDIC, PERSIAN, FULL_WIDTH])
gaps = st.sampled_from(["", " ", "-", "."])
around = st.sampled_from(
    [("", ""), ("appelez ", " merci"), ("رقمي ", " شكرا"), ("(", ")"), ("tel:", ","), ("smiti ", " !")]
)


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


def spaced(text: str, gap: str, step: int) -> str:
    return gap.join(text[at : at + step] for at in range(0, len(text), step))


@given(prefix=st.sampled_from(["0", "+212", "+212 ", "00212", "+212(0)"]), kind=st.sampled_from("5678"),
       rest=digits(8), gap=gaps, script=scripts, place=around)  # fmt: skip
def test_moroccan_phones(
    prefix: str, kind: str, rest: str, gap: str, script: dict[int, int], place: tuple[str, str]
) -> None:
    number = (prefix + kind + spaced(rest, gap, 2)).translate(script)
    assert redact(place[0] + number + place[1]) == f"{place[0]}[phone]{place[1]}"


@pytest.mark.parametrize("region", ["FR", "ES", "BE", "US", "SN", "DE", "GB"])
def test_phones_of_elsewhere(region: str) -> None:
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    assert redact(f"écrivez au {text}, merci") == "écrivez au [phone], merci"


def test_no_country_has_shorter_numbers_than_are_looked_for() -> None:
    """Fewer than six digits are no phone number: where none can be, nobody looks."""
    shortest = min(
        len(str(code)) + min(metadata.general_desc.possible_length)
        for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
        for region in regions
        if (metadata := phonenumbers.PhoneMetadata.metadata_for_region(region, None)) is not None
    )
    assert shortest == 6
    assert redact("appelez le +43 1 112") == "appelez le [phone]"


@given(account=digits(24), gap=gaps, script=scripts, place=around)
def test_moroccan_ibans(account: str, gap: str, script: dict[int, int], place: tuple[str, str]) -> None:
    whole = f"MA{iban.calc_check_digits('MA00' + account)}{account}"
    text = place[0] + spaced(whole, gap, 4).translate(script) + place[1]
    assert redact(text) == f"{place[0]}[iban]{place[1]}"


@pytest.mark.parametrize(
    "text", ["FR14 2004 1010 0505 0001 3M02 606", "DE89370400440532013000", "gb82 west 1234 5698 7654 32"]
)
def test_ibans_of_elsewhere(text: str) -> None:
    assert redact(f"mon compte {text}.") == "mon compte [iban]."


@given(account=digits(24), gap=gaps, script=scripts, place=around)
def test_ribs(account: str, gap: str, script: dict[int, int], place: tuple[str, str]) -> None:
    text = place[0] + spaced(account, gap, 3).translate(script) + place[1]
    assert redact(text) == f"{place[0]}[rib]{place[1]}"


@given(letters=st.text("ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=1, max_size=2),
       rest=st.text("123456789", min_size=5, max_size=6), script=scripts, place=around)  # fmt: skip
def test_identity_cards(letters: str, rest: str, script: dict[int, int], place: tuple[str, str]) -> None:
    assert redact(f"{place[0]}{letters}{rest.translate(script)}{place[1]}") == f"{place[0]}[cin]{place[1]}"


@given(address=st.emails(), place=st.sampled_from([("", ""), ("mail ", " svp"), ("بريدي ", " شكرا")]))
def test_addresses(address: str, place: tuple[str, str]) -> None:
    domain = address.partition("@")[2]
    redacted = redact(place[0] + address + place[1])
    assert address not in redacted
    assert f"@{domain}" not in redacted
    assert "[email]" in redacted


@given(st.text())
def test_it_takes_any_text_and_is_idempotent(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text(st.characters(exclude_characters="@＠", exclude_categories=["Nd"])))
def test_text_without_numbers_or_addresses_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Votre commande 4521 arrive le 12/03/2026 à 14h30.",
        "1 250,00 DH, livraison 35 DH",
        "4f2a9c1e8b7d4a6f9c1e8b7d4a6f9c1e",
        "HTTP 503 after 3 attempts in 1520 ms",
        "bghit n3ref chno l7al dyal la commande 12",
        "",
    ],
)
def test_what_is_nobodys_stays(text: str) -> None:
    assert redact(text) == text


def test_several_in_one_text() -> None:
    text = "Je suis BE123456, ٠٦١٢٣٤٥٦٧٨, sara.b@example.ma, RIB 011 780 0000012345678901 23."
    assert redact(text) == "Je suis [cin], [phone], [email], RIB [rib]."


def test_a_long_text_is_linear() -> None:
    text = "0 " * 20_000 + "a@" * 20_000
    assert len(redact(text)) > 0
    assert re.search(r"\d", text)
