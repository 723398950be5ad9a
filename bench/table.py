"""What a benchmark found, and whether it holds."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).with_name("README.md")


@dataclass(frozen=True)
class Row:
    """One comparison. `allowed` is in the unit of `ours`; `rule` says where it comes from."""

    what: str
    ours: float
    peer: float | None
    unit: str
    allowed: float
    rule: str
    more_is_better: bool = False

    @property
    def holds(self) -> bool:
        """Return whether the rule is kept."""
        return self.ours >= self.allowed if self.more_is_better else self.ours <= self.allowed


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.0f} {unit}" if value >= 20 else f"{value:.2f} {unit}"


def markdown(rows: Iterable[Row]) -> str:
    """Return the rows as a table for the README."""
    lines = ["| what | ours | peer | ratio | rule | holds |", "|---|---:|---:|---:|---|---|"]
    for row in rows:
        ratio = f"{row.ours / row.peer:.2f}" if row.peer else ""
        cells = (row.what, _number(row.ours, row.unit), _number(row.peer, row.unit), ratio, row.rule)
        verdict = "" if not row.rule else "yes" if row.holds else "**no**"
        lines.append(f"| {' | '.join(cells)} | {verdict} |")
    return "\n".join(lines)


def put(name: str, text: str, page: Path = README) -> None:
    """Put a text between its markers in a page, bench/README.md by default."""
    written = re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}{text}\n{match[2]}",
        page.read_text(),
        flags=re.DOTALL,
    )
    page.write_text(written)
