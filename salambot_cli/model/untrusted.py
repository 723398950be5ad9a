"""Text of customers, documents and other programs: shown as what it is, it can neither steer nor fool a terminal.

`Untrusted` is a text that makes itself harmless wherever it is put into a sentence: formatting it, by an f-string or
`str`, makes its control characters visible and escapes Rich's markup. What is compared, measured or written as JSON is
the text itself.
"""

import re
from typing import TypeVar, cast

MAX_MARKS = 6
"""Marks on one letter: Arabic and Vietnamese need three, floods of them write over the lines around."""
INVISIBLE = (
    "\x7f-\x9f"  # DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # Bidi_Control
    "\u00ad\u115f\u1160\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\uffff"  # nothing to be seen
    "\u2028\u2029\ud800-\udfff"  # line separators; halves of pairs, as in file names that are no UTF-8
    "\U000e0000-\U000e0fff\U0001d173-\U0001d17a"
)
"""Characters that a terminal obeys or does not show, for a class of a regular expression; C0 is not among them."""
_HIDDEN = re.compile(f"[\x00-\x08\x0a-\x1f{INVISIBLE}]")
"""All but the tab."""
_MARK = (
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06ed\u08d3-\u08ff"
    r"\u0e31-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u200c\u200d\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]"
)
_MARKS = re.compile(f"({_MARK}{{{MAX_MARKS}}}){_MARK}+")
T = TypeVar("T")


def visible(text: str) -> str:
    """Return a text on one line, its control and invisible characters written as escapes such as `\\x1b`."""
    return _MARKS.sub(r"\1", _HIDDEN.sub(_escaped, text))


def visible_lines(text: str) -> str:
    """Return a text of several lines, each as `visible` makes it."""
    return "\n".join(visible(line) for line in re.split("\r?\n", text))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class Untrusted(str):
    """A text that somebody else wrote."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return it visible, and escaped for Rich."""
        from rich.markup import escape

        return escape(visible(self.raw))

    def __format__(self, spec: str) -> str:
        """Return it visible, aligned as asked, and escaped for Rich."""
        from rich.markup import escape

        return escape(format(visible(self.raw), spec))

    @property
    def raw(self) -> str:
        """The text itself: for files, requests and JSON, never for a terminal."""
        return "".join(self)


def raw(value: object) -> str:
    """Return a text as it is, for an error: who shows errors makes them visible."""
    return value.raw if isinstance(value, Untrusted) else str(value)


def untrusted(document: T) -> T:
    """Return a JSON document whose texts are Untrusted, its names too."""
    if isinstance(document, dict):
        return cast("T", {Untrusted(name): untrusted(value) for name, value in document.items()})
    if isinstance(document, list):
        return cast("T", [untrusted(item) for item in document])
    return cast("T", Untrusted(document)) if isinstance(document, str) else document
