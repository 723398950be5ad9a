"""Text that arrives in pieces, wrapped at words as it comes."""

import re

from rich.cells import cell_len

_TOKENS = re.compile(r"\n|[^\S\n]+|\S+")


class WordWrap:
    """Wraps a stream of text to a width. The last word is held until it is known to be whole."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._used = 0
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take a piece; return what may be shown now."""
        tokens: list[str] = _TOKENS.findall(self._held + piece)
        self._held = tokens.pop() if tokens and not tokens[-1].endswith("\n") else ""
        return "".join(map(self._placed, tokens))

    def end(self) -> str:
        """Return what is still held."""
        held, self._held = self._held, ""
        return self._placed(held) if held.strip() else ""

    def _placed(self, part: str) -> str:
        if part == "\n":
            self._used = 0
            return part
        width = cell_len(part)
        if self._used + width <= self._columns:
            self._used += width
            return part
        if part.isspace():  # the line ends here
            self._used = 0
            return "\n"
        line_end = "\n" if self._used else ""
        self._used = min(width, self._columns)  # a word that no line holds is broken by the terminal
        return line_end + part
