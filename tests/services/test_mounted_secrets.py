"""Compose secrets become variables of the process; what is set already stays."""

import os
from pathlib import Path

import pytest

from salambot.core.mounted_secrets import load_mounted_secrets


def test_files_become_variables_where_there_is_no_value_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_A", "SECRET_B", "SECRET_C"):
        (tmp_path / name).write_text(f"{name} from the file é$")
    monkeypatch.setenv("SECRET_A", "from the environment")
    monkeypatch.setenv("SECRET_B", "")
    monkeypatch.setenv("SECRET_C", "to be removed")
    monkeypatch.delenv("SECRET_C")
    load_mounted_secrets(tmp_path)
    assert os.environ["SECRET_A"] == "from the environment"
    assert os.environ["SECRET_B"] == "SECRET_B from the file é$"
    assert os.environ["SECRET_C"] == "SECRET_C from the file é$"


def test_no_folder_is_fine(tmp_path: Path) -> None:
    load_mounted_secrets(tmp_path / "absent")
