"""The cost estimate of embedding."""

from collections.abc import Iterable
from dataclasses import dataclass

LARGE = 500_000
"""Tokens from which on a run that costs money asks first."""
_ASCII_A_TOKEN, _OTHERS_A_TOKEN = 4.0, 1.5
"""Characters, by OpenAI's tokenisers: French and English have about four a token, Arabic one or two."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens, and US dollars where the price is known."""

    tokens: int
    dollars: float | None

    def __str__(self) -> str:
        """Return it as people read it, such as `≈ 1.2 M tokens, about $0.03`."""
        size = f"≈ {self.tokens / 1e6:.1f} M tokens"
        if self.dollars is None:
            return f"{size}, at a price that only your provider knows"
        return f"{size}, {'less than $0.01' if self.dollars < 0.01 else f'about ${self.dollars:,.2f}'}"


def tokens_of(texts: Iterable[str]) -> int:
    """Estimate the tokens of texts."""
    return sum(_tokens(text) for text in texts)


def estimate(tokens: int, price: float | None) -> Estimate:
    """Return the cost of `tokens` at `price` (US dollars a million tokens; None: unknown)."""
    return Estimate(tokens, None if price is None else tokens * price / 1e6)


def _tokens(text: str) -> int:
    plain = len(text) if text.isascii() else sum(letter.isascii() for letter in text)
    return round(plain / _ASCII_A_TOKEN + (len(text) - plain) / _OTHERS_A_TOKEN) + 1
