"""What a person sees of a seed: counts, and what was refused, whatever is in its name."""

from pathlib import Path

import pytest

from salambot_cli.commands.seed import _show
from salambot_cli.outside.console import Session


def test_a_name_with_brackets_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = dict.fromkeys(("seen", "added", "changed", "unchanged", "removed"), 2)
    rejected = [{"path": path, "reason": "empty"} for path in ("[red]a.txt", "dir[/x].txt")]
    chunks = {"embedded": 0, "deleted": 0}
    _show(Session(tmp_path), "docs", {"documents": {**counts, "rejected": rejected}, "chunks": chunks})
    said = capsys.readouterr().err
    assert "✗ [red]a.txt: empty" in said
    assert "✗ dir[/x].txt: empty" in said
