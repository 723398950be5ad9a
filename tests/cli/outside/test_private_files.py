"""Files of the state are the owner's alone, and long names are stored or refused, whatever the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from salambot_cli.docker.image import assemble_context
from salambot_cli.host.document_mirror import mirror_to_folder
from salambot_cli.host.files import append_privately, replace_file, share_documents, state_folder


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_umask")
def test_state_is_the_owners_alone(tmp_path: Path) -> None:
    folder = state_folder(tmp_path)
    replace_file(folder / "rendered" / "deep" / "gateway.env", "A=b")
    os.close(append_privately(folder / "lock"))
    assert {mode_of(path) for path in (folder, folder / "rendered", folder / "rendered" / "deep")} == {0o700}
    assert {mode_of(path) for path in (folder / "rendered" / "deep" / "gateway.env", folder / "lock")} == {0o600}


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize(("shared", "folders", "files"), [(True, 0o755, 0o644), (False, 0o700, 0o600)])
def test_documents_are_read_by_containers_where_there_are_some(
    tmp_path: Path, *, shared: bool, folders: int, files: int
) -> None:
    source = tmp_path / "kb"
    (source / "faq").mkdir(parents=True)
    (source / "faq" / "retours.md").write_text("# Retours\n\n14 jours.\n")
    objects = state_folder(tmp_path) / "data" / "objects"
    for runs_as in (shared, not shared, shared):  # a stack may move between containers and processes
        share_documents(objects, shared=runs_as)
        mirror_to_folder(source, objects, "demo", "kb", prune=None)
    (source / "faq" / "horaires.md").write_text("# Horaires\n\nDe 9 h à 18 h.\n")
    mirror_to_folder(source, objects, "demo", "kb", prune=None)
    made = [objects, *objects.rglob("*")]
    assert {path.name for path in made} >= {"retours.md", "horaires.md", ".sources", "kb.json"}
    assert {mode_of(path) for path in made if path.is_dir()} == {folders}
    assert {mode_of(path) for path in made if path.is_file()} == {files}
    assert mode_of(state_folder(tmp_path)) == 0o700
    assert mode_of(state_folder(tmp_path) / ".gitignore") == 0o600


@pytest.mark.usefixtures("_umask")
def test_the_image_is_read_as_another_user(tmp_path: Path) -> None:
    assemble_context(image := state_folder(tmp_path) / "rendered" / "image")
    made = [image, *image.rglob("*")]
    assert "healthcheck.py" in {path.name for path in made}
    assert {mode_of(path) for path in made if path.is_dir()} == {0o755}
    assert {mode_of(path) for path in made if path.is_file()} == {0o644}


@pytest.mark.parametrize("name", ["a" * 252 + ".md", "é" * 126 + ".md", "سؤال" * 31 + ".md", "x\x01" * 60 + ".md"])
def test_a_long_name_ends_no_seed(tmp_path: Path, name: str) -> None:
    source = tmp_path / "kb"
    source.mkdir()
    (source / name).write_text("# Long\n\nx\n")
    (source / "short.md").write_text("# Short\n\nx\n")
    mirrored = mirror_to_folder(source, tmp_path / "objects", "demo", "kb", prune=None)
    assert (tmp_path / "objects" / "demo" / "short.md").is_file()
    assert len(mirrored.keys) == 2, "what cannot be stored is listed, and refused by name"
