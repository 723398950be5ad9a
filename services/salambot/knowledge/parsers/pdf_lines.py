"""From the glyphs of a PDF page to lines of text in reading order, by where each glyph stands.

What a PDF stores is where glyphs are drawn, in any order. Arabic is therefore read from the eye's order back to the
reader's, by the bidirectional algorithm, which is its own inverse; presentation forms become letters on the way.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bidi import get_display

from salambot.language.arabic_order import count_arabic, is_visual_order

_SPACE_GAP, _SEGMENT_GAP = 0.2, 1.9
"""Gaps between two glyphs, in sizes of the font: from the first on a space, from the second on another column."""
_X_HEIGHT = 0.7
_MAX_MARK = 3
"""Glyphs of the mark of a footnote."""
_MIN_SIZE = 3
"""Points: smaller text is there for machines."""
_BOLD = re.compile(r"bold|black|heavy|semib|demi", re.IGNORECASE)
_MARKS = re.compile(r"[\u064b-\u065f\u0670\ufe70-\ufe7f]")
_UNMAPPED = re.compile(r"\(cid:\d+\)")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_ONE_NUMBER = re.compile(
    r"(?<!\d)(?<!\d )(?:\+?212[ .]?\d(?:[ .]\d{2}){4}|0\d(?:[ .]\d{2}){4}|[1-9]\d{0,2}(?: \d{3})+)(?![\d])(?! \d)"
)
"""A telephone number, or one in groups of thousands, as the eye sees it: its spaces are part of it."""
_RANGE = re.compile(r"(\d+(?:[:h.]\d+)?)(\s*[-–—]\s*)(\d+(?:[:h.]\d+)?)")
_ARABIC_BEFORE = "\u061c"
"""Arabic letter mark: numbers behind Arabic words are laid out otherwise than others (UAX 9, W2), and these are."""
_MEASURE = re.compile(r"(?:^|[^a-zA-Z])[kcd]?m$")
_EXPONENTS = str.maketrans("23", "²³")

Glyph = dict[str, Any]
"""A character of pdfplumber."""


@dataclass(slots=True)
class Line:
    """A piece of a line without a wide gap in it."""

    text: str
    x0: float
    x1: float
    top: float
    bottom: float
    size: float
    is_bold: bool
    is_rtl: bool
    page: int = 0
    left: float = 0
    right: float = 0
    """The edges of the column that the line stands in."""


def read_lines(glyphs: Sequence[Glyph], *, is_rtl_page: bool) -> Iterator[list[Line]]:
    """Yield the lines from top to bottom, each as its pieces from left to right."""
    for row in _rows([glyph for glyph in glyphs if _is_level(glyph) and glyph["size"] >= _MIN_SIZE]):
        pieces = [_line(piece, is_rtl_page=is_rtl_page) for piece in _pieces(row)]
        if kept := [piece for piece in pieces if piece.text]:
            yield kept


def join_lines(lines: Iterable[list[Line]], *, is_rtl: bool) -> str:
    """Return the text of a small area, such as a cell."""
    return "\n".join(" ".join(piece.text for piece in (reversed(row) if is_rtl else row)) for row in lines)


def is_mostly_arabic(glyphs: Sequence[Glyph]) -> bool:
    """True if more Arabic letters than Latin ones are drawn."""
    text = "".join(glyph["text"] for glyph in glyphs)
    return count_arabic(text) > len(_LATIN.findall(text))


def _is_level(glyph: Glyph) -> bool:
    """True for a glyph that stands upright: a watermark across the page does not."""
    across, tilt = glyph["matrix"][:2]
    return bool(glyph["upright"]) and abs(tilt) < 0.1 * abs(across)


def _rows(glyphs: list[Glyph]) -> Iterator[list[Glyph]]:
    """Group glyphs whose middles overlap by half: a raised one belongs to its line."""
    rows: list[tuple[float, float, list[Glyph]]] = []
    for glyph in sorted(glyphs, key=lambda item: -item["matrix"][5]):
        low, high = glyph["matrix"][5], glyph["matrix"][5] + _X_HEIGHT * glyph["size"]
        for at in range(len(rows) - 1, max(len(rows) - 4, -1), -1):
            below, above, members = rows[at]
            overlap = min(high, above) - max(low, below)
            if overlap * 2 >= min(high - low, above - below):
                wins = glyph["size"] > members[0]["size"]
                members.append(glyph)
                rows[at] = (low, high, members) if wins else rows[at]
                break
        else:
            rows.append((low, high, [glyph]))
    return _with_raised_marks([members for _, _, members in sorted(rows, key=lambda row: -row[0])])


def _with_raised_marks(rows: list[list[Glyph]]) -> Iterator[list[Glyph]]:
    """Put the mark of a footnote, drawn high above its line, into the line below it."""
    for at, row in enumerate(rows):
        below = rows[at + 1] if at + 1 < len(rows) else []
        is_mark = len(row) <= _MAX_MARK and any(_is_mark_of(row[0], glyph) for glyph in below)
        if is_mark:
            below.extend(row)
        else:
            yield row


def _is_mark_of(mark: Glyph, glyph: Glyph) -> bool:
    is_close = -0.2 * glyph["size"] < mark["x0"] - glyph["x1"] < 0.4 * glyph["size"]
    rise = mark["matrix"][5] - glyph["matrix"][5]
    is_small = mark["size"] < 0.85 * glyph["size"] or mark["text"] in "0123456789*†"
    return bool(is_close and is_small and rise < glyph["size"])


def _pieces(row: list[Glyph]) -> Iterator[list[Glyph]]:
    """Cut a row at its wide gaps; spaces at the ends of a piece go."""
    piece: list[Glyph] = []
    for glyph in sorted((item for item in row if item["text"].strip()), key=lambda item: item["x0"]):
        if piece and glyph["x0"] - max(item["x1"] for item in piece[-4:]) > _SEGMENT_GAP * max(
            glyph["size"], piece[-1]["size"]
        ):
            yield piece
            piece = []
        piece.append(glyph)
    if piece:
        yield piece


def _line(piece: list[Glyph], *, is_rtl_page: bool) -> Line:
    size = max({glyph["size"] for glyph in piece}, key=lambda value: sum(glyph["size"] == value for glyph in piece))
    drawn = "".join(_units(piece, size))
    arabic, latin = count_arabic(drawn), len(_LATIN.findall(drawn))
    is_rtl = arabic > latin or (is_rtl_page and arabic >= latin)
    bold = sum(bool(_BOLD.search(glyph["fontname"])) for glyph in piece)
    return Line(
        text=" ".join(_reading_order(drawn, is_rtl=is_rtl).split()),
        x0=piece[0]["x0"],
        x1=max(glyph["x1"] for glyph in piece),
        top=min(glyph["top"] for glyph in piece),
        bottom=max(glyph["bottom"] for glyph in piece),
        size=round(size * 2) / 2,
        is_bold=bold * 10 > len(piece) * 8,
        is_rtl=is_rtl,
    )


def _units(piece: list[Glyph], size: float) -> Iterator[str]:
    """Yield what each glyph says, from left to right, and the spaces between them."""
    before: Glyph | None = None
    so_far = ""
    for glyph in piece:
        if before is not None and glyph["x0"] - before["x1"] > _SPACE_GAP * min(glyph["size"], size):
            so_far += " "
            yield " "
        text = _raised(glyph, before, so_far, size)
        so_far += text
        yield text
        before = glyph if before is None or glyph["x1"] >= before["x1"] or glyph["x1"] - glyph["x0"] > 0 else before


def _raised(glyph: Glyph, before: Glyph | None, so_far: str, size: float) -> str:
    """Return a glyph's text: of a small raised digit an exponent, or nothing where it is the mark of a footnote."""
    text = _letters(glyph["text"])
    is_raised = before is not None and glyph["matrix"][5] > before["matrix"][5] + size * 0.15
    if not is_raised or not text.isdigit():
        return text
    return text.translate(_EXPONENTS) if _MEASURE.search(so_far) else ""


def _letters(text: str) -> str:
    """Return the ordinary letters of a glyph, the last first where it is an Arabic ligature: it is drawn so."""
    plain = unicodedata.normalize("NFKC", _MARKS.sub("", _UNMAPPED.sub("", text)))
    return plain[::-1] if len(plain) > 1 and count_arabic(plain) else plain


def _reading_order(drawn: str, *, is_rtl: bool) -> str:
    if not count_arabic(drawn):
        return _in_rising_order(drawn) if is_rtl else drawn
    if not is_rtl:
        return str(get_display(drawn, base_dir="L"))
    whole = _ONE_NUMBER.sub(lambda found: re.sub("[ .]", "\u00a0", found[0]), drawn)
    text = str(get_display(_ARABIC_BEFORE + whole, base_dir="R")).replace(_ARABIC_BEFORE, "").replace("\u00a0", " ")
    return drawn if is_visual_order(text) and not is_visual_order(drawn) else _turn_brackets(text)


def _in_rising_order(text: str) -> str:
    """Turn a range of hours or numbers round that is drawn from right to left, without a letter that says so."""
    found = _RANGE.fullmatch(text)
    falls = found is not None and [int(part) for part in re.findall(r"\d+", found[1])] > [
        int(part) for part in re.findall(r"\d+", found[3])
    ]
    return f"{found[3]}{found[2]}{found[1]}" if found is not None and falls else text


def _turn_brackets(text: str) -> str:
    """Turn brackets that close before they open: some programs store the one that is drawn, some the one written."""
    brackets = re.findall(r"[()\[\]]", text)
    if len(brackets) > 1 and brackets[0] in ")]" and brackets[-1] in "([":
        return text.translate(str.maketrans("()[]", ")(]["))
    return text
