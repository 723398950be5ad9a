"""Output that fits the terminal: words stay whole, rows become a list, ids can be typed again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from salambot_cli.telemetry.traces import short_id
from salambot_cli.telemetry.waterfall import trace_rows
from salambot_cli.terminal.output import Output
from salambot_cli.terminal.rows import print_rows
from salambot_cli.terminal.word_wrap import WordWrap

PIECES = st.lists(st.text("abc é صباح好 \n", max_size=12))
ROW = {"path": "guides/horaires-et-contact.darija-latin.md", "source": "sample", "languages": "ary ary-Latn fr"}


@given(PIECES, st.integers(8, 40))
def test_a_stream_wraps_at_words_and_loses_none(pieces: list[str], columns: int) -> None:
    wrap = WordWrap(columns)
    shown = "".join([*map(wrap.feed, pieces), wrap.end()])
    assert shown.split() == "".join(pieces).split()
    for line in shown.split("\n"):
        assert cell_len(line.rstrip()) <= columns or len(line.split()) == 1


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_what_people_type_again_is_in_one_line(
    columns: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    print_rows(Output(tmp_path_factory.getbasetemp()), [ROW, {**ROW, "path": "b.md", "source": ""}])
    lines = capsys.readouterr().out.splitlines()
    assert any(ROW["path"] in line for line in lines)
    assert max(map(len, lines)) <= columns
    assert ("  languages: ary ary-Latn fr" in lines) is (columns == 50)
    assert "…" not in "".join(lines)


def test_a_trace_is_listed_by_an_id_that_trace_takes() -> None:
    trace = {"trace_id": "0123456789abcdef" * 2, "service": "gateway", "name": "POST /v1/chat/generate",
             "started_ns": 1_800_000_000_000_000_000, "duration_ms": 12.5, "steps": 9, "failed": True}  # fmt: skip
    [row] = trace_rows([trace])
    assert row["trace"] == short_id(trace["trace_id"]) == "0123456789ab"
    assert row["what"].endswith("✗")
