"""Backups: a file that is whole or refused, rows that come back as they were, an environment that moves."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from salambot_cli.backup.archive import Manifest, checksums, is_encrypted, read_archive, write_archive
from salambot_cli.backup.database import dump_rows, load_rows
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.secret import Secret
from tests.knowledge import KnowledgeBase
from tests.servers import PostgresServer, database_from
from tests.stack import Project, make_project

PASSPHRASE = Secret("correct horse")
MANIFEST = Manifest("2026-11-30T12:00:00Z", "0.2.0", "0008", "demo", ("local",), ("demo",), {"turns": 1}, {})


@pytest.fixture
def packed(tmp_path: Path) -> tuple[Path, Manifest]:
    """Return a folder with files of several sizes, and the manifest of it."""
    folder = tmp_path / "packed"
    (folder / "database/demo").mkdir(parents=True)
    (folder / "database/demo/turns.copy").write_text('{"text": "Salam, صباح الخير"}\n' * 100_000)
    (folder / "objects").mkdir()
    (folder / "objects/empty.md").touch()
    return folder, replace(MANIFEST, files=checksums(folder))


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_what_is_packed_is_unpacked(packed: tuple[Path, Manifest], tmp_path: Path, passphrase: Secret | None) -> None:
    folder, manifest = packed
    file, out = tmp_path / "shop.backup", tmp_path / "out"
    write_archive(file, folder, manifest, passphrase)
    assert file.stat().st_mode & 0o777 == 0o600
    assert is_encrypted(file) is (passphrase is not None)
    assert read_archive(file, out, passphrase) == manifest
    assert checksums(out) == manifest.files


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "swap"])
def test_a_damaged_file_is_refused(
    packed: tuple[Path, Manifest], tmp_path: Path, passphrase: Secret | None, harm: str
) -> None:
    file = tmp_path / "shop.backup"
    write_archive(file, *packed, passphrase)
    whole = file.read_bytes()
    middle = len(whole) // 2
    harmed = {
        "cut": whole[:middle],
        "flip": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "empty": b"",
        "swap": whole[:200] + whole[middle:] + whole[200:middle],
    }
    file.write_bytes(harmed[harm])
    with pytest.raises(SalamBotError, match=r"damaged|decrypted|encrypted|not a backup"):
        read_archive(file, tmp_path / "out", passphrase)


@pytest.mark.parametrize(
    "content",
    [b"", b"Dear customer,\n" * 100, b"%PDF-1.7 ...", bytes(range(256)) * 8],
    ids=["empty", "letter", "pdf", "noise"],
)
def test_a_file_that_never_was_a_backup_is_called_so(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "shop.backup"
    file.write_bytes(content)
    assert "is not a backup" in Project(tmp_path).run("restore", str(file), "--yes", status=1).stderr
    assert list(tmp_path.iterdir()) == [file]


def test_somebody_elses_archive_is_no_backup(tmp_path: Path) -> None:
    file = tmp_path / "photos.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("photo.jpg"), io.BytesIO())
    assert "is not a backup" in Project(tmp_path).run("restore", str(file), "--yes", status=1).stderr


def test_restore_names_the_files_that_come_back_and_asks_before_it_writes(tmp_path: Path) -> None:
    packed, project = tmp_path / "packed", tmp_path / "project"
    (packed / "project/kb").mkdir(parents=True)
    project.mkdir()
    for name in ("salambot.toml", ".env", "kb/prices.md"):
        (packed / "project" / name).write_text("")
    file = tmp_path / "shop.backup"
    write_archive(file, packed, replace(MANIFEST, files=checksums(packed)), None)
    (project / "salambot.toml").write_text("")
    said = Project(project).run("restore", str(file), stdin="n\n", status=1).stderr
    assert ".env, kb/prices.md" in said
    assert "salambot.toml," not in said
    assert [path.name for path in project.iterdir()] == ["salambot.toml"]


def test_another_passphrase_opens_nothing(packed: tuple[Path, Manifest], tmp_path: Path) -> None:
    file = tmp_path / "shop.backup"
    write_archive(file, *packed, PASSPHRASE)
    for wrong in (Secret("Correct horse"), None):
        with pytest.raises(SalamBotError, match=r"cannot be decrypted|is encrypted"):
            read_archive(file, tmp_path / "out", wrong)
    assert b"Salam" not in file.read_bytes()


@pytest.mark.parametrize("name", ["../outside", "/outside", "unnamed"])
def test_a_member_that_leads_out_or_is_not_named_is_refused(tmp_path: Path, name: str) -> None:
    file, content = tmp_path / "forged.backup", b"x"
    digest = hashlib.sha256(content).hexdigest()
    named = {name: digest} if name != "unnamed" else {}
    fields = {"format": 1, "created": "", "salambot": "", "schema_revision": "", "tenant": "", "topology": [],
              "tenants": [], "rows": {}, "files": named}  # fmt: skip
    with tarfile.open(file, "w:gz") as tar:
        for member, data in (("manifest.json", json.dumps(fields).encode()), (name, content)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(SalamBotError, match="is damaged"):
        read_archive(file, tmp_path / "out", None)
    assert not (tmp_path / "outside").exists()


@pytest.fixture
def two_databases(postgres_server: PostgresServer, _migrated: str) -> Iterator[tuple[str, str]]:
    """Return the URLs of two databases with the schema."""
    database = contextmanager(database_from)
    with database(postgres_server, _migrated) as one, database(postgres_server, _migrated) as other:
        yield one, other


async def _rows(url: str) -> dict[str, list[str]]:
    connection = await asyncpg.connect(url)
    try:
        tables = ("documents", "chunks", "postings", "embeddings", "vectors", "turns", "audit")
        queries = {table: f"SELECT to_jsonb(t) FROM {table} t" for table in tables}  # noqa: S608 - named above
        return {table: sorted(str(row[0]) for row in await connection.fetch(queries[table])) for table in tables}
    finally:
        await connection.close()


async def _talk(url: str, tenant: str) -> int:
    """Write a record of the audit trail, as a service does; return its number."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT set_config('salambot.tenant', $1, false)", tenant)
        insert = "INSERT INTO audit (tenant, at, action, outcome, actor, trace_id, correlation_id)"
        await connection.execute(f"{insert} VALUES ($1, now(), 'reply', 'done', 'me', 'a', 'b')", tenant)
        return int(await connection.fetchval("SELECT max(number) FROM audit"))
    finally:
        await connection.close()


async def test_rows_come_back_as_they_were_and_numbers_go_on(two_databases: tuple[str, str], tmp_path: Path) -> None:
    one, other = two_databases
    base = KnowledgeBase(tmp_path / "kb", one)
    base.write({"prix.md": "# Prix\n\nUn dirham, «\\N» et\tune tabulation."})
    await base.seed()
    last = [await _talk(one, tenant) for tenant in ("demo", "autre")][-1]
    rows = await dump_rows(one, tmp_path / "database", {"demo"})
    assert rows.tenants == ("autre", "demo")
    await load_rows(other, tmp_path / "database", rows.revision, "0.2.0")
    assert await _rows(other) == await _rows(one)
    assert (await _rows(one))["vectors"] != []
    assert await _talk(other, "demo") > last


async def test_another_schema_and_a_trail_that_is_there_are_refused(
    two_databases: tuple[str, str], tmp_path: Path
) -> None:
    one, other = two_databases
    rows = await dump_rows(one, tmp_path / "database", {"demo"})
    with pytest.raises(SalamBotError) as newer:
        await load_rows(other, tmp_path / "database", "9999", "9.9")
    assert newer.value.fix == "upgrade SalamBot here, then restore"
    with pytest.raises(SalamBotError) as older:
        await load_rows(other, tmp_path / "database", "0001", "0.0.1")
    assert older.value.fix == "restore with SalamBot 0.0.1, then upgrade it"
    await _talk(other, "demo")
    with pytest.raises(SalamBotError, match="in use"):
        await load_rows(other, tmp_path / "database", rows.revision, "0.2.0")


def test_commands_refuse_what_would_be_lost(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (tmp_path / "there").write_text("mine")
    assert "is there already" in project.run("backup", "there", status=2).stderr
    assert "cannot be read" in project.run("restore", "nowhere", "--yes", status=2).stderr
    assert "is not a backup" in project.run("restore", "there", "--yes", status=1).stderr
    assert (tmp_path / "there").read_text() == "mine"
    assert not project.state.exists()


@pytest.mark.stack
@pytest.mark.xdist_group("local-stack")
def test_an_environment_moves_to_another_folder(local_stack: Project, tmp_path: Path) -> None:
    file, passphrase = tmp_path / "shop.backup", "correct horse"
    local_stack.run("chat", "Quels sont vos horaires ?")
    made = local_stack.run("backup", str(file), "--encrypt", "--json", stdin=passphrase)
    assert json.loads(made.stdout)["rows"]["turns"] >= 1
    copy = Project(tmp_path / "copy")
    copy.folder.mkdir()
    try:
        done = json.loads(copy.run("restore", str(file), "--yes", "--json", stdin=passphrase).stdout)
        assert done["rows"] == json.loads(made.stdout)["rows"]
        assert copy.json("status")["status"] == "ready"
        assert copy.json("kb", "list") == local_stack.json("kb", "list")
        assert "records" in copy.run("audit", "verify").stderr
        assert "9 h" in copy.run("chat", "Quels sont vos horaires ?").stdout
    finally:
        copy.run("down", "--volumes", "--yes")
