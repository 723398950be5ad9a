"""Files that are whole or not there, folders that are private, a lock that dies with its holder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from salambot_cli.host.files import private_folder, replace_file, state_folder
from salambot_cli.host.lock import environment_lock
from salambot_cli.host.state_file import State, read_state, write_state
from salambot_cli.model.errors import PrerequisiteError, SalamBotError

HOLDER = """
import sys
from pathlib import Path
from salambot_cli.host.lock import environment_lock
with environment_lock(Path(sys.argv[1]), "up"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    replace_file(path, "one")
    replace_file(path, b"two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_unwritable_place_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="cannot write"):
        replace_file(tmp_path / "file" / "below", "x")


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    path = tmp_path / "file"
    replace_file(path, "old")
    with pytest.raises(PrerequisiteError):
        replace_file(full / "file", "new")
    assert path.read_text() == "old"


def test_state_folder_is_private_and_ignored(tmp_path: Path) -> None:
    folder = state_folder(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


def test_open_folder_is_closed_and_a_link_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    assert private_folder(tmp_path / "open").stat().st_mode & 0o077 == 0
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(PrerequisiteError, match="symbolic link"):
        private_folder(tmp_path / "link")


def test_second_holder_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SalamBotError) as caught, environment_lock(tmp_path, "down"):
            pass
        assert f"pid {holder.pid} on {os.uname().nodename}, since 20" in caught.value.why
        assert "salambot up" in caught.value.why
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    with environment_lock(tmp_path, "down"):
        pass  # a dead holder's lock is free


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"runtime": "podman", "ports": {}}', '{"ports": {"a": "b"}, "runtime": null}', "\x00"]
)
def test_damaged_state_counts_as_none(tmp_path: Path, damage: str) -> None:
    write_state(tmp_path, State("process", {"gateway": 8080}))
    (tmp_path / ".salambot" / "state.json").write_text(damage)
    assert read_state(tmp_path).runtime is None


def test_state_comes_back(tmp_path: Path) -> None:
    write_state(tmp_path, State("process", {"gateway": 8080}, "https://x.example"))
    assert read_state(tmp_path) == State("process", {"gateway": 8080}, "https://x.example")
