"""Pieces of HTML that several views share. Cells are HTML already: whoever makes them escapes."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from salambot.console.language import Say


def table(label: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """Return a table that scrolls by itself where the page is narrow."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(label, quote=True)}">{body}</div>'


def row(cells: Iterable[str]) -> str:
    """Return a row of cells."""
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def clock(utc: str) -> str:
    """Return the time of day of a timestamp; the page's script shows it in the reader's zone."""
    return f'<time datetime="{escape(utc, quote=True)}">{escape(utc[11:19])}</time>'


def clock_of_ns(nanoseconds: object) -> str:
    """Return the time of day of a moment since the epoch."""
    return clock(datetime.fromtimestamp(int(str(nanoseconds)) / 1e9, UTC).isoformat(timespec="milliseconds"))


def text(value: str) -> str:
    """Return what somebody wrote: escaped, and in its own direction."""
    return f'<span dir="auto">{escape(value)}</span>'


def choice(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    """Return a labelled list to choose from: (value, what is read)."""
    items = "".join(
        f'<option value="{escape(value, quote=True)}"{" selected" if value == chosen else ""}>{escape(shown)}</option>'
        for value, shown in options
    )
    return f'<label>{escape(label)} <select name="{name}">{items}</select></label>'


def search_form(fields: str, sought: str, say: Say) -> str:
    """Return the form above a list: it changes the address, so that Back and a bookmark work."""
    seek = f'<label>{escape(say("Search"))} <input type="search" name="q" value="{escape(sought, quote=True)}"></label>'
    button = f'<button type="submit">{escape(say("Search"))}</button>'
    return f'<form class="filters" method="get" role="search">{seek}{fields}{button}</form>'
