"""Commands in what people read can be typed as they stand."""

import pytest

from salambot_cli.terminal.output import with_launcher


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("salambot up", "./salambot up"),
        ("fix it, then: salambot logs nlu", "fix it, then: ./salambot logs nlu"),
        ("cat .salambot/core/logs/nlu.log", "cat .salambot/core/logs/nlu.log"),
        ("/opt/bin/salambot up", "/opt/bin/salambot up"),
        ("the salambot", "the salambot"),
    ],
)
def test_in_a_clone_commands_name_the_launcher(text: str, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALAMBOT_INVOKED_AS", "./salambot")
    assert with_launcher(text) == typed


def test_an_installed_command_is_named_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALAMBOT_INVOKED_AS", raising=False)
    assert with_launcher("salambot up") == "salambot up"
