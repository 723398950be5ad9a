"""Previews of messages: the beginning, with numbers and addresses redacted."""

import re

from salambot.core.privacy import in_ascii_digits, redact

_LENGTH = 80
_ADDRESS = re.compile(r"\S+@\S+")
_NUMBER = re.compile(r"(?<!\w)[A-Za-z]{0,2}\+?\d(?:[\s.\-/()]?\d){3,}\b|\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{2,4}){3,}\b")
_MASK = "•••"


def safe_preview(text: str) -> str:
    """Return at most 80 characters; e-mail addresses and numbers of four digits or more are masked.

    It hides more than has to be hidden (amounts, dates), so that no phone number, RIB, IBAN or CIN gets through.
    """
    plain = redact(in_ascii_digits(text[: 4 * _LENGTH]), mark=_MASK)
    masked = _NUMBER.sub(_MASK, _ADDRESS.sub(_MASK, " ".join(plain.split())))
    return masked if len(masked) <= _LENGTH else f"{masked[: _LENGTH - 1]}…"
