"""Plain text: what the channels show has no Markdown and no HTML."""

import html
import re
from collections.abc import Iterator

_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\((?:[^()]|\([^)]*\))*\)")
_TAG = re.compile(
    r"</?(?:a|abbr|b|br|code|div|em|i|li|ol|p|small|span|strong|sub|sup|table|t[dhr]|u|ul)\b[^>]{0,200}>",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|>-])")
_BULLET = re.compile(r"^\s*(?:[-*+•–·▪●])\s+")
_QUOTE = re.compile(r"^\s*>\s?")
_SPACES = re.compile(r"[ \t\u00a0\u202f]{2,}")
_SENTENCE_END = re.compile(r"(?<=[.!?؟…])[»\")]?\s+(?=[\"«(]?[A-ZÀ-ÖØ-Þ0-9\u0621-\u064a\u0660-\u0669])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:dr|pr|me|m|mr|mrs|ms|mme|mlle|st|ste|no|n|art|tél|tel|fax|ext|env|max|min|p|pp|vs|av|bd|e\.g|i\.e|cf|ex|réf|ref"
    r"|[A-ZÀ-Ö])\.$",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """Drop the marks of Markdown and HTML; a bullet becomes `- `."""
    bullet = _BULLET.match(text)
    words = _QUOTE.sub("", text[bullet.end() :] if bullet else text)
    words = _LINK.sub(r"\1", _IMAGE.sub("", words))
    words = html.unescape(_TAG.sub("", words))
    words = _ESCAPE.sub(r"\1", _EMPHASIS.sub("", words))
    words = _SPACES.sub(" ", words).strip()
    return f"- {words}" if bullet and words else words


def sentences(line: str) -> Iterator[str]:
    """Yield the sentences of a line; the full stop of an abbreviation ends none."""
    start = 0
    for end in _SENTENCE_END.finditer(line):
        if not _ABBREVIATION.search(line[start : end.start()]):
            yield (
                line[start : end.start() + 1].strip()
                if line[end.start()] in '»")'
                else line[start : end.start()].strip()
            )
            start = end.end()
    yield line[start:].strip()
