"""Redaction: what identifies a person is taken out of any text that leaves a service by a log, an error or a record.

Order: IBAN, RIB, phone, CIN, e-mail; digits of any script count as 0 to 9. See docs/security/pii.md.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache

import phonenumbers
from stdnum import iban

REGION = "MA"
_GAP = r"[\s.\-/]?"
_IBAN = re.compile(rf"(?<![A-Z0-9])[A-Z]{{2}}\d{{2}}(?:{_GAP}[A-Z0-9]){{11,30}}(?![A-Z0-9])", re.IGNORECASE)
_RIB = re.compile(rf"(?<!\d)\d(?:{_GAP}\d){{23}}(?!\d)")
_MOROCCAN = re.compile(
    rf"(?<![\w+])(?:(?:\+|00){_GAP}212{_GAP}(?:\(0\){_GAP})?[5-8]|0{_GAP}[5-8])(?:{_GAP}\d){{8}}(?!\d)"
)
_CIN = re.compile(r"(?<![A-Z0-9])[A-Z]{1,2}\d{5,6}(?![A-Z0-9])", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
_MAX_IBAN_LENGTH = 34
_FEWEST_DIGITS = re.compile(r"(?:\d\D*){6}")
"""No country has a shorter phone number, its own code included."""
_MAY_HOLD = re.compile(r"\d\D{0,3}\d\D{0,3}\d\D{0,3}\d|@|\uff20")

Span = tuple[int, int]


def redact(text: str, *, mark: str | None = None) -> str:
    """Return the text with each piece of personal data replaced by its kind, such as `[phone]`, or by `mark`."""
    plain = in_ascii_digits(text)
    if _MAY_HOLD.search(plain) is None:
        return text
    for kind, find in _FINDERS:
        for start, end in reversed(list(find(plain))):
            shown = f"[{kind}]" if mark is None else mark
            plain = f"{plain[:start]}{shown}{plain[end:]}"
            text = f"{text[:start]}{shown}{text[end:]}"
    return text


def in_ascii_digits(text: str) -> str:
    """Write digits of any script, and letters of full width, as ASCII; the text keeps its length."""
    return text if text.isascii() else "".join(map(_western, text))


@cache
def _western(character: str) -> str:
    """Write a digit or letter of any width or script of digits as ASCII: one character for one."""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if "\uff01" <= character <= "\uff5e":  # full-width forms
        return chr(ord(character) - 0xFEE0)
    return character


def _ibans(text: str) -> Iterator[Span]:
    """Find IBANs. A match may run into the next word: the longest beginning that is valid counts."""
    for match in _IBAN.finditer(text):
        if (end := _valid_end(match)) is not None:
            yield match.start(), end


def _valid_end(match: re.Match[str]) -> int | None:
    compact, ends = "", []
    for at, character in enumerate(match[0]):
        if character.isalnum():
            compact += character.upper()
            ends.append((compact, match.start() + at + 1))
    for candidate, end in reversed(ends[:_MAX_IBAN_LENGTH]):
        if len(candidate) >= 15 and iban.is_valid(candidate):
            return end
    # One wrong digit does not make a Moroccan account number fit for a log.
    if compact.startswith(REGION) and compact[2:28].isdigit() and len(compact) >= 28:
        return ends[27][1]
    return None


def _phones(text: str) -> Iterator[Span]:
    if _FEWEST_DIGITS.search(text) is None:
        return  # to look for phone numbers costs more than all else
    spans = [match.span() for match in _MOROCCAN.finditer(text)]
    matcher = phonenumbers.PhoneNumberMatcher(text, REGION, leniency=phonenumbers.Leniency.VALID, max_tries=64)
    for found in matcher:
        if all(found.end <= start or end <= found.start for start, end in spans):
            spans.append((found.start, found.end))
    yield from sorted(spans)


def _by(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    return lambda text: (match.span() for match in pattern.finditer(text))


_FINDERS: tuple[tuple[str, Callable[[str], Iterator[Span]]], ...] = (
    ("iban", _ibans),
    ("rib", _by(_RIB)),
    ("phone", _phones),
    ("cin", _by(_CIN)),
    ("email", _by(_EMAIL)),
)
