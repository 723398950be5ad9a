"""The sample steps aside: it is what `init` copied, unedited, and gives way to any document of the owner's."""

import json
import shutil
from pathlib import Path

import pytest

from salambot_cli.host.document_mirror import (
    files_by_key,
    holds_only_the_sample,
    mirror_to_folder,
    sample_left_out,
    unlist_in_folder,
)


@pytest.fixture
def kb(tmp_path: Path, checkout: Path) -> Path:
    shutil.copytree(checkout / "templates" / "kb", tmp_path / "kb")
    return tmp_path / "kb"


def test_the_sample_alone_is_the_sample(kb: Path) -> None:
    assert holds_only_the_sample(kb)
    assert len(files_by_key(kb)) > 10
    assert sample_left_out(kb) == 0


def test_a_document_of_the_owners_takes_its_place(kb: Path, tmp_path: Path) -> None:
    before = mirror_to_folder(kb, tmp_path / "store", "demo", "kb", prune=None)
    (kb / "mine.md").write_text("# Mine")
    assert not holds_only_the_sample(kb)
    assert sample_left_out(kb) == len(before.keys)
    mirrored = mirror_to_folder(kb, tmp_path / "store", "demo", "kb", prune=None)
    assert mirrored.keys == ("mine.md",)
    assert set(mirrored.deleted) == set(before.keys), "nobody is asked whether the sample may go"
    assert [file.name for file in (tmp_path / "store" / "demo").glob("*.md")] == ["mine.md"]


def test_a_sample_that_was_edited_is_the_owners(kb: Path) -> None:
    edited = next(kb.glob("*.md"))
    edited.write_text(edited.read_text() + "\nNous sommes aussi à Oujda.\n")
    assert list(files_by_key(kb)) == [edited.name]


def test_a_removed_document_leaves_the_store_and_its_list(tmp_path: Path) -> None:
    docs, store = tmp_path / "docs", tmp_path / "store"
    docs.mkdir()
    for name in ("a.md", "b.md"):
        (docs / name).write_text(name)
    mirror_to_folder(docs, store, "demo", "docs", prune=None)
    (tmp_path / "outside.md").write_text("stays")
    unlist_in_folder(store, "demo", ["a.md", "../../outside.md"])
    assert not (store / "demo" / "a.md").exists()
    assert (tmp_path / "outside.md").exists()
    assert json.loads((store / "demo" / ".sources" / "docs.json").read_text())["keys"] == ["b.md"]
