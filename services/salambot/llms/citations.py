"""Read back which passages a model names: `[1]`, `[1, 2]`, `[1-3]`, `【1】`, `(1)`, `[Passage 1]`, `¹`."""

import re
from collections.abc import Iterator, Sequence

from salambot.core.schemas import Citation, Passage
from salambot.language.normalisation import normalise

_NAME = (
    r"(?:passages?|sources?|docs?|documents?|extraits?|ref|réf|réfs?|n[°o]|مقطع|المقطع|المصدر|مصدر|وثيقة)\.?\s*:?\s*"
)
_NUMBERS = r"[\^#]?\s*\d{1,3}(?:\s*(?:[,;،]|et|and|و|-|–|—|à|to)\s*[\^#]?\d{1,3}){0,9}"
_SOURCE = r"(?:\s*†[^\]】]{0,40})?"
_INSIDE = rf"\s*(?:{_NAME})?({_NUMBERS}){_SOURCE}\s*"
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_MARKER = re.compile(
    rf"\s*(?:\[{_INSIDE}\](?!\()|【{_INSIDE}】|(?P<round>\({_INSIDE}\)))(?:\s+(?=[,.]))?"
    rf"|(?<![mMμ²³])\s*(?P<raised>[{_SUPERSCRIPTS}]{{1,3}})(?!\w)",
    re.IGNORECASE,
)
_NUMBER_OR_RANGE = re.compile(r"(\d{1,3})(?:\s*(?:-|–|—|à|to)\s*[\^#]?(\d{1,3}))?")
_UNFINISHED = re.compile(rf"\s*(?:[\[【(][^\]】)\n]{{0,60}}[\]】)]?|[{_SUPERSCRIPTS}]{{1,3}})?\s*$|\s*\*+$")
_BOLD = "**"


class CitationReader:
    """Take the markers out of a text that arrives in pieces, and remember which passages they name."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._held = ""
        self._cited: dict[int, None] = {}
        self._last = ""

    def feed(self, piece: str) -> str:
        """Return the text that is certain by now: the start of what may become a marker waits."""
        text = self._held + piece
        unfinished = _UNFINISHED.search(text)
        end = unfinished.start() if unfinished else len(text)
        self._held = text[end:]
        return self._said(text[:end])

    def finish(self) -> str:
        """Return what was still waiting."""
        rest, self._held = self._held, ""
        return self._said(rest).rstrip()

    def citations(self) -> list[Citation]:
        """Return the passages that were named, in the order of their first naming."""
        return [
            Citation(id=passage.id, title=passage.title, uri=passage.uri, score=min(1.0, max(0.0, passage.score)))
            for number in self._cited
            for passage in self._passages[number - 1 : number]
        ]

    def _said(self, text: str) -> str:
        unit = self._last if self._last.isalpha() else ""  # `m` before `²`, which came in another piece
        said = _MARKER.sub(self._note, unit + text).removeprefix(unit).replace(_BOLD, "")
        if not self._last:
            said = said.lstrip()
        self._last = said[-1:] or self._last
        return said

    def _note(self, marker: re.Match[str]) -> str:
        raised = marker["raised"]
        given = normalise(raised or next(group for group in marker.groups()[:3] if group))
        numbers = list(_numbers(given, len(self._passages)))
        known = [number for number in numbers if 1 <= number <= len(self._passages)]
        if (marker["round"] or raised) and known != numbers:
            return marker[0]  # `(19)` may be a number of the text
        self._cited.update(dict.fromkeys(known))
        return ""


def _numbers(given: str, most: int) -> Iterator[int]:
    for first, last in _NUMBER_OR_RANGE.findall(given):
        if last:
            yield from range(int(first), min(int(last), most) + 1)
        else:
            yield int(first)
