"""Rows of named cells: a table where it fits, a list where the terminal is narrow; nothing is cut."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from salambot_cli.model.untrusted import visible_lines
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

NARROW = 60
"""A terminal of fewer columns shows a list."""


def print_rows(session: Output, rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows that have the same cells; the first cell is what a row is called by, and what people type again."""
    if session.columns() < NARROW:
        for row in rows:
            (_, name), *cells = row.items()
            session.result(f"[bold]{_cell(name)}[/]")
            for label, cell in cells:
                if cell:
                    session.result(f"  {translate(label)}: {_cell(cell)}")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, label in enumerate(rows[0] if rows else ()):
        table.add_column(label, overflow="fold", no_wrap=column == 0)
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    session.result(table)


def _cell(text: str) -> str:
    return escape(visible_lines(translate(text)))
