"""A hand-edited file is kept and its difference shown; no secret is in a difference."""

from pathlib import Path

from salambot_cli.host.generated_files import diff, write
from salambot_cli.render.compose import is_unmodified, with_header


def test_what_is_new_is_written_private(tmp_path: Path) -> None:
    files = {".env": with_header('TENANT="demo"\n')}
    found = diff(tmp_path, files, is_unmodified)
    assert [(change.name, change.by_hand) for change in found] == [(".env", False)]
    assert write(tmp_path, files, found) == []
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert diff(tmp_path, files, is_unmodified) == []


def test_a_file_edited_by_hand_is_never_lost(tmp_path: Path) -> None:
    before, after = with_header("services: {}\n"), with_header("services: {nlu: {}}\n")
    edited = before + "# mine\n"
    (tmp_path / "docker-compose.override.yml").write_text(edited)
    files = {"docker-compose.override.yml": after}
    (change,) = diff(tmp_path, files, is_unmodified)
    assert change.by_hand
    assert "-# mine" in change.diff
    assert "+services: {nlu: {}}" in change.diff
    (copy,) = write(tmp_path, files, [change])
    assert copy.read_text() == edited
    assert (tmp_path / "docker-compose.override.yml").read_text() == after


def test_a_difference_shows_that_a_secret_changed_but_not_what(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(with_header('OPENAI_API_KEY="sk-old"\nLOG_LEVEL="INFO"\n'))
    files = {".env": with_header('OPENAI_API_KEY="sk-new"\nLOG_LEVEL="DEBUG"\n')}
    (change,) = diff(tmp_path, files, is_unmodified)
    assert not change.by_hand
    assert "sk-" not in change.diff
    assert "OPENAI_API_KEY=•••••• (changed)" in change.diff
    assert '+LOG_LEVEL="DEBUG"' in change.diff
