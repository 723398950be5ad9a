"""A rate limit as people write it: `60/minute`, `10 per 5 minutes`."""

import re
from dataclasses import dataclass
from typing import Self

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_TEXT = re.compile(
    r"\s*([1-9][0-9]{0,8})\s*(?:/|\bper\b)\s*(?:([1-9][0-9]{0,3})\s*)?(second|minute|hour|day)s?\s*",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True)
class RateLimit:
    """How many requests may come in how many seconds."""

    amount: int
    seconds: int
    window: str
    """The length of the window in words, such as `minute` or `5 minutes`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a rate limit. Raises ValueError, with the form that is expected."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no rate limit such as 60/minute or 10 per 5 minutes")
        amount, several, unit = int(found[1]), int(found[2] or 1), found[3].lower()
        return cls(amount, several * _UNITS[unit], unit if several == 1 else f"{several} {unit}s")

    @property
    def per_second(self) -> float:
        """The rate in requests a second."""
        return self.amount / self.seconds

    def __str__(self) -> str:
        return f"{self.amount} times per {self.window}"


def require_rate_limit(text: str) -> str:
    """Return the text of a rate limit unchanged. Raises ValueError."""
    RateLimit.parse(text)
    return text
