"""Lines for people on a terminal: whatever a text holds, it is one line, and it cannot steer the terminal."""

import subprocess
import sys

import pytest

SAY = """
import logging, structlog
from salambot.core import logs
from salambot.core.settings import ServiceSettings
logs.configure(ServiceSettings(internal_token="x", log_format="{form}"), "shop")
hostile = 'said\\n{{"event":"forged"}}\\r\\x1b[2J\\x9b2J'
structlog.get_logger("ours").info(hostile, value="a\\x1b[2J\\nforged", why=hostile)
logging.getLogger("library").warning("%s", hostile)
"""


@pytest.mark.parametrize(("form", "controls"), [("console", "\x1b[2J \x9b2J \r"), ("json", "\x1b \r")])
def test_no_text_forges_a_line_or_a_terminal_control(form: str, controls: str) -> None:
    command = [sys.executable, "-c", SAY.format(form=form)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    lines = said.split("\n")[:-1]
    assert len(lines) == 2
    assert all("forged" in line for line in lines)
    assert [control for control in controls.split(" ") if control in said] == []
