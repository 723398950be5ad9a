"""Rows of named cells: a table where it fits, else a list; what people type again is never cut or folded."""

from collections.abc import Collection, Mapping, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from salambot_cli.model.untrusted import visible_lines
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

_GAP = 3
_FOLDED = 8
"""The least width of a column whose cells may take several lines."""


def print_rows(session: Output, rows: Sequence[Mapping[str, str]], whole: Collection[str] = ()) -> None:
    """Print rows that have the same cells. The first one names the row; it and the `whole` ones stay in one line."""
    kept = {*whole, *[*rows[0]][:1]} if rows else {*whole}
    widths = {label: max(len(row[label]) for row in rows) for label in (rows[0] if rows else ())}
    needed = (width if label in kept else min(width, _FOLDED) for label, width in widths.items())
    if sum(needed) + _GAP * len(widths) > session.columns():
        _print_list(session, rows)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for label in widths:
        table.add_column(label, overflow="fold", no_wrap=label in kept)
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    session.result(table)


def _print_list(session: Output, rows: Sequence[Mapping[str, str]]) -> None:
    for row in rows:
        (_, name), *cells = row.items()
        session.result(f"[bold]{_cell(name)}[/]")
        for label, cell in cells:
            if cell:
                session.result(f"  {translate(label)}: {_cell(cell)}")


def minutes(moment: object) -> str:
    """Return a UTC time of a document to the minute, as a table shows it."""
    return str(moment)[:16].replace("T", " ")


def _cell(text: str) -> str:
    return escape(visible_lines(translate(text)))
