"""The rate limits that people write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_contracts.rate_limit import RateLimit, require_rate_limit


@pytest.mark.parametrize(
    ("text", "amount", "seconds", "words"),
    [
        ("60/minute", 60, 60, "60 times per minute"),
        ("60 per minute", 60, 60, "60 times per minute"),
        ("3/hour", 3, 3600, "3 times per hour"),
        ("10/5 minutes", 10, 300, "10 times per 5 minutes"),
        (" 10 PER 5 Minutes ", 10, 300, "10 times per 5 minutes"),
        ("1000000/day", 1_000_000, 86400, "1000000 times per day"),
    ],
)
def test_a_rate_limit_is_read(text: str, amount: int, seconds: int, words: str) -> None:
    rate = RateLimit.parse(text)
    assert (rate.amount, rate.seconds, str(rate)) == (amount, seconds, words)
    assert require_rate_limit(text) == text


@pytest.mark.parametrize(
    "text", ["", "0/minute", "60", "/minute", "60/0 minutes", "60/week", "-1/minute", "6٠/minute", "60/minute;1/day"]
)
def test_anything_else_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="60/minute"):
        RateLimit.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rate = RateLimit.parse(text)
    except ValueError:
        return
    assert rate.amount > 0
    assert rate.seconds > 0
