"""What a component said, on its way to a terminal."""

import pytest

from salambot_cli.stack.logs import pretty, visible

HOSTILE = "ERROR:\tsyntax\x1b[2J\x9b1m\r\x07 at \x7fend"


def test_a_components_own_line_cannot_steer_the_terminal() -> None:
    assert visible(HOSTILE) == r"ERROR:	syntax\x1b[2J\x9b1m\r\x07 at \x7fend"


@pytest.mark.parametrize("name", ["event", "detail"])
def test_a_services_line_cannot_either(name: str) -> None:
    shown = pretty({"event": "said", name: HOSTILE}).plain
    assert shown.isprintable()
    assert r"\u001b[2J\x9b1m" in shown
