"""What a person sees of a seed: counts, and what was refused, whatever is in its name."""

from pathlib import Path

import pytest

from salambot_cli.commands.seed import _show
from salambot_cli.model.untrusted import untrusted
from salambot_cli.terminal.output import Output


def test_a_name_with_brackets_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = dict.fromkeys(("seen", "added", "changed", "unchanged", "removed"), 2)
    rejected = [{"path": path, "reason": "empty"} for path in ("[red]a.txt", "dir[/x].txt")]
    chunks = {"embedded": 0, "deleted": 0}
    _show(Output(tmp_path), "docs", untrusted({"documents": {**counts, "rejected": rejected}, "chunks": chunks}))
    said = capsys.readouterr().err
    assert "✗ [red]a.txt: empty" in said
    assert "✗ dir[/x].txt: empty" in said


def test_what_each_document_gave_and_what_was_left_out_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = dict.fromkeys(("seen", "added", "changed", "unchanged", "removed"), 2)
    read = [
        {"path": "faq.md", "passages": 3, "rows": 0, "warnings": []},
        {"path": "prix[1].xlsx", "passages": 9, "rows": 8, "warnings": ["left out hidden sheets: Marges"]},
    ]
    report = {"documents": {**counts, "rejected": []}, "chunks": {"embedded": 0, "deleted": 0}, "read": read}
    _show(Output(tmp_path), "docs", report)
    said = capsys.readouterr().err
    assert "faq.md: 3 passages\n" in said
    assert "prix[1].xlsx: 9 passages, 8 of them rows" in said
    assert "! prix[1].xlsx: left out hidden sheets: Marges" in said
