"""Log lines: none is lost, an urgent one is not late, and those of one turn of the loop go in one write."""

import asyncio
import io
from contextlib import redirect_stdout

from salambot.core.buffered_log_writer import BufferedLogWriter


class Written(io.StringIO):
    """A standard output that remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


def _say(output: BufferedLogWriter, text: str) -> None:
    output.write(text)
    output.flush()


def test_without_a_loop_a_line_goes_at_once() -> None:
    with redirect_stdout(Written()) as written:
        _say(BufferedLogWriter(), "one\n")
        assert written.writes == ["one\n"]


async def test_lines_of_one_turn_go_together() -> None:
    output = BufferedLogWriter()
    with redirect_stdout(Written()) as written:
        _say(output, "one\n")
        _say(output, "two\n")
        assert written.writes == []
        await asyncio.sleep(0)
        assert written.writes == ["one\ntwo\n"]


async def test_an_urgent_line_goes_at_once_and_takes_the_others_along() -> None:
    output = BufferedLogWriter()
    with redirect_stdout(Written()) as written:
        _say(output, "one\n")
        output.flush_next()
        _say(output, "two\n")
        assert written.writes == ["one\ntwo\n"]
        await asyncio.sleep(0)
        assert written.writes == ["one\ntwo\n"]


async def test_no_more_is_held_back_than_a_bound() -> None:
    output = BufferedLogWriter()
    with redirect_stdout(Written()) as written:
        for _ in range(70):
            _say(output, "x" * 1024)
        assert len(written.writes) == 1
        await asyncio.sleep(0)
    assert sum(map(len, written.writes)) == 70 * 1024
