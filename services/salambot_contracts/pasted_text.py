"""Find what a value must not hold and nobody sees: invisible, control and no-break characters of a copied text."""

import unicodedata
from dataclasses import dataclass

_NAMES = {
    "\t": "a tab",
    "\n": "a line feed",
    "\r": "a carriage return",
    "\x00": "a null character",
    "\x1b": "an escape character",
    "\x7f": "a delete character",
    "\u00a0": "a no-break space",
    "\u00ad": "a soft hyphen",
    "\u200b": "a zero-width space",
    "\u200c": "a zero-width non-joiner",
    "\u200d": "a zero-width joiner",
    "\u200e": "a left-to-right mark",
    "\u200f": "a right-to-left mark",
    "\u202f": "a narrow no-break space",
    "\u2060": "a word joiner",
    "\ufeff": "a byte order mark",
    "\ufffd": "a character that could not be decoded",
}
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp", "Zs"})
_EMPTY_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffd"
_SELECTORS = range(0xFE00, 0xFE10)


@dataclass(frozen=True, slots=True)
class PastedCharacter:
    """An invisible character of a value. `position` counts from 1."""

    character: str
    position: int
    length: int

    @property
    def code_point(self) -> str:
        """Return the code point, as Unicode writes it: `U+200B`."""
        return f"U+{ord(self.character):04X}"

    @property
    def name(self) -> str:
        """Return what people call the character."""
        return _NAMES.get(self.character) or unicodedata.name(self.character, "a control character").lower()

    def __str__(self) -> str:
        return f"{self.name} ({self.code_point}) at position {self.position} of {self.length}"


def is_invisible(character: str) -> bool:
    """Return True for a character that no key, URL or name holds on purpose; a plain space is none."""
    if character == " ":
        return False
    hidden = character in _EMPTY_LETTERS or ord(character) in _SELECTORS
    return hidden or unicodedata.category(character) in _INVISIBLE


def find_pasted(text: str) -> tuple[PastedCharacter, ...]:
    """Return the invisible characters of a value, and the spaces around it, in their order."""
    start, end = len(text) - len(text.lstrip(" ")), len(text.rstrip(" "))
    return tuple(
        PastedCharacter(character, index + 1, len(text))
        for index, character in enumerate(text)
        if is_invisible(character) or (character == " " and not start <= index < end)
    )


def clean(text: str) -> str:
    """Return a value without invisible characters and without the spaces around it."""
    return "".join(character for character in text if not is_invisible(character)).strip(" ")
