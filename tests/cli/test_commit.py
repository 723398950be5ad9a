"""`--version` names the commit of a clone, whichever way git keeps it."""

from pathlib import Path

import pytest

from salambot_cli import __version__
from salambot_cli.host.commit import version_line

COMMIT = "1a2b3c4d5e6f7890"


@pytest.mark.parametrize(
    "files",
    [
        {"HEAD": COMMIT},
        {"HEAD": "ref: refs/heads/main", "refs/heads/main": COMMIT},
        {
            "HEAD": "ref: refs/heads/main",
            "packed-refs": f"# packed\n00 refs/heads/b\n{COMMIT} refs/heads/main\n",
        },
    ],
)
def test_a_clone(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = tmp_path / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert version_line(tmp_path) == f"{__version__} (1a2b3c4)"


def test_a_second_working_tree(tmp_path: Path) -> None:
    tree, git = tmp_path / "tree", tmp_path / "main/.git"
    (git / "worktrees/tree").mkdir(parents=True)
    (git / "worktrees/tree/HEAD").write_text("ref: refs/heads/b\n")
    (git / "worktrees/tree/commondir").write_text("../..\n")
    (git / "refs/heads").mkdir(parents=True)
    (git / "refs/heads/b").write_text(f"{COMMIT}\n")
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {git}/worktrees/tree\n")
    assert version_line(tree) == f"{__version__} (1a2b3c4)"


def test_an_installed_package_has_none(tmp_path: Path) -> None:
    assert version_line(tmp_path) == __version__
