"""A secret is a type: whatever prints it prints a mask."""

from dataclasses import dataclass, field

MASK = "••••••"


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that only `reveal()` gives out. Text, repr, format and JSON encoders see a mask."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the value itself, for the one place that has to hand it on."""
        return self._value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._value)
