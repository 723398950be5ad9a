"""Seeding: incremental, exact, and safe to stop at any point."""

import asyncio
import os
from pathlib import Path

import asyncpg
import orjson
import pytest
from aiohttp.test_utils import TestServer

from tests.fakes.openai_server import OpenAiServer
from tests.fakes.pinecone_server import PineconeServer
from tests.knowledge import KnowledgeBase
from tests.servers import PostgresServer

RETURNS = "# Retours\n\n## Puis-je retourner un article ?\n\nOui, sous 14 jours.\n\n## Qui paie le retour ?\n\nNous.\n"
HOURS = "Ouvert de 9 h à 19 h."
STAGES = ("compared", "embedded", "upserted", "indexed", "removed", "swept", "settling")


@pytest.fixture
def base(tmp_path: Path, database_url: str) -> KnowledgeBase:
    return KnowledgeBase(tmp_path / "objects", database_url)


def counts(report: dict[str, object]) -> str:
    """Return a report's figures in one line: what changes in documents / in chunks."""
    documents, chunks = report["documents"], report["chunks"]
    assert isinstance(documents, dict)
    assert isinstance(chunks, dict)
    names = ("added", "changed", "unchanged", "removed")
    return f"{' '.join(str(documents[name]) for name in names)} / {' '.join(map(str, chunks.values()))}"


async def rows(base: KnowledgeBase, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(base.variables["POSTGRES_URL"])
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def assert_whole(base: KnowledgeBase) -> None:
    """Nothing is left over, and nothing is missing."""
    assert await rows(base, "SELECT digest FROM vectors EXCEPT SELECT digest FROM chunks") == []
    assert await rows(base, "SELECT digest FROM chunks EXCEPT SELECT digest FROM vectors") == []
    assert await rows(base, "SELECT digest FROM embeddings EXCEPT SELECT digest FROM chunks") == []
    assert await rows(base, "SELECT digest FROM vector_entries EXCEPT SELECT digest FROM chunks") == []
    assert await rows(base, "SELECT chunk FROM postings EXCEPT SELECT key FROM chunks") == []


async def test_only_what_changed_is_done(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS, "b.txt": HOURS})
    assert counts(await base.seed("--incremental", "--vector", "local", "--json")) == "2 0 0 0 / 3 3 0"
    assert counts(await base.seed()) == "0 0 2 0 / 0 0 0", "nothing changed"
    base.write({"a.md": RETURNS.replace("14", "30")})
    assert counts(await base.seed()) == "0 1 1 0 / 1 1 1", "one paragraph changed"
    base.write({"sub/c.txt": HOURS})
    base.delete("b.txt")
    assert counts(await base.seed()) == "1 0 1 1 / 0 0 0", "renamed, and its title with it: nothing is embedded"
    assert await rows(base, "SELECT title FROM documents WHERE path = 'sub/c.txt'") == [("C",)]
    base.write({"sub/d.md": RETURNS.replace("14", "30")})
    base.delete("a.md")
    assert counts(await base.seed()) == "1 0 1 1 / 0 0 0", "renamed: nothing is embedded"
    assert await rows(base, "SELECT path FROM documents ORDER BY 1") == [("sub/c.txt",), ("sub/d.md",)]
    base.delete("sub/c.txt")
    assert counts(await base.seed("--no-prune")) == "0 0 1 0 / 0 0 0", "kept"
    assert counts(await base.seed()) == "0 0 1 1 / 0 0 1", "deleted"
    assert counts(await base.seed("--full")) == "0 1 0 0 / 2 2 0", "everything again"
    await assert_whole(base)


async def test_touched_but_equal_is_unchanged(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS})
    await base.seed()
    base.write({"a.md": RETURNS})
    assert counts(await base.seed()) == "0 0 1 0 / 0 0 0"


async def test_a_dry_run_changes_nothing(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS})
    report = await base.seed("--dry-run")
    assert (report["status"], counts(report)) == ("planned", "1 0 0 0 / 2 0 0")
    assert await rows(base, "SELECT path FROM documents") == []
    assert counts(await base.seed()) == "1 0 0 0 / 2 2 0"


async def test_what_cannot_be_read_is_named_and_the_run_goes_on(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS, "b.md": b"\xff\xfe\x00", "c.txt": "  \n", "d.exe": "x", "e.md": "# Titre seul\n"})
    report = await base.seed()
    documents = report["documents"]
    assert isinstance(documents, dict)
    assert {item["path"]: item["reason"] for item in documents["rejected"]} == {
        "b.md": "binary, not text",
        "c.txt": "empty",
        "d.exe": "not a format that is read",
        "e.md": "no text in it",
    }
    assert counts(report) == "1 0 0 0 / 2 2 0"


async def test_a_document_over_the_limit_is_refused_unread(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS, "huge.pdf": b"%PDF"})
    os.truncate(base.folder / "demo" / "huge.pdf", 1 << 40)  # a hole: more than any memory holds
    report = await base.seed()
    documents = report["documents"]
    assert isinstance(documents, dict)
    assert documents["rejected"] == [{"path": "huge.pdf", "reason": "larger than 20 MiB"}]
    assert counts(report) == "1 0 0 0 / 2 2 0"


async def test_an_odd_name_is_refused_and_the_run_goes_on(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS, "b\x1b[2J.md": HOURS, "c\\d.md": HOURS, "Prix\u00a0?.txt": HOURS})
    base.list_source("kb", "a.md", "Prix\u00a0?.txt", "c\\d.md", "never\\xff.md")
    for arguments, refused in (
        ((), {"b\\x1b[2J.md", "c\\d.md", "never\\xff.md"}),
        (("--source", "kb"), {"c\\d.md", "never\\xff.md"}),
    ):
        documents = (await base.seed(*arguments))["documents"]
        assert isinstance(documents, dict)
        assert documents["added"] + documents["unchanged"] == 2
        assert {item["path"] for item in documents["rejected"]} == refused
        assert {item["reason"].partition(" with")[0] for item in documents["rejected"]} == {"a path"}


async def test_a_document_that_became_unreadable_leaves_the_index(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS, "b.txt": HOURS})
    await base.seed()
    base.write({"b.txt": b"\xff"})
    assert counts(await base.seed()) == "0 0 1 1 / 0 0 1"


async def test_a_source_owns_its_documents_only(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS, "b.txt": HOURS})
    base.list_source("kb", "a.md")
    base.list_source("shop", "b.txt")
    assert counts(await base.seed("--source", "kb")) == "1 0 0 0 / 2 2 0"
    assert counts(await base.seed("--source", "shop")) == "1 0 0 0 / 1 1 0"
    base.list_source("kb")
    assert counts(await base.seed("--source", "kb", "--prune")) == "0 0 0 1 / 0 0 2"
    assert await rows(base, "SELECT path, source FROM documents") == [("b.txt", "shop")]
    failed = await base.seed("--source", "nobody", status=1)
    assert failed["status"] == "failed"


async def test_the_sample_gives_way_to_the_first_documents_of_the_owner(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS, "b.txt": HOURS})
    base.list_source("sample", "a.md")
    await base.seed("--source", "sample")
    base.list_source("kb", "b.txt")
    assert counts(await base.seed("--source", "kb")) == "1 0 0 1 / 1 1 2"
    assert counts(await base.seed()) == "0 0 1 0 / 0 0 0", "nor does it come back"


async def test_removing_most_documents_needs_a_word(base: KnowledgeBase) -> None:
    paths = [f"{number}.txt" for number in range(4)]
    base.write({path: f"Texte {path}" for path in paths})
    await base.seed()
    base.delete(*paths[2:])
    assert counts(await base.seed()) == "0 0 2 2 / 0 0 2", "half is not most"
    base.write({path: f"Texte {path}" for path in paths})
    await base.seed()
    base.delete(*paths[1:])
    refused = await base.seed(status=1)
    assert "--prune" in str(refused["error"])
    assert len(await rows(base, "SELECT path FROM documents")) == 4
    assert counts(await base.seed("--prune")) == "0 0 1 3 / 0 0 3"


@pytest.mark.parametrize("stage", STAGES)
async def test_killed_at_any_stage_the_next_run_finishes(base: KnowledgeBase, stage: str) -> None:
    base.write({"a.md": RETURNS, "b.txt": HOURS})
    await base.seed()
    base.write({"a.md": RETURNS.replace("14", "30"), "c.txt": "Un texte de plus."})
    base.delete("b.txt")
    ((index,),) = await rows(base, "SELECT indexname FROM pg_indexes WHERE indexname LIKE 'vectors\\_ngram%'")
    await rows(base, f"DROP INDEX {index}")
    job = await base.start("--json-lines")
    assert job.stdout is not None
    async for line in job.stdout:
        if orjson.loads(line)["event"] == stage:
            break
    job.kill()
    await job.communicate()
    await base.seed()
    await assert_whole(base)
    assert await rows(base, "SELECT path FROM documents ORDER BY 1") == [("a.md",), ("c.txt",)]
    assert await rows(base, "SELECT count(*) FROM chunks WHERE text LIKE '%30 jours%'") == [(1,)]
    assert await rows(base, f"SELECT to_regclass('{index}') IS NOT NULL") == [(True,)]
    assert counts(await base.seed()) == "0 0 2 0 / 0 0 0"


async def test_two_at_once_exclude_each_other(base: KnowledgeBase) -> None:
    base.write({f"{number}.md": f"# Titre {number}\n\nTexte {number}." for number in range(80)})
    reports = await asyncio.gather(*(base.seed("--json-lines") for _ in range(3)))
    assert sorted(map(counts, reports)) == ["0 0 80 0 / 0 0 0", "0 0 80 0 / 0 0 0", "80 0 0 0 / 80 80 0"]
    await assert_whole(base)


async def test_tenants_do_not_wait_for_each_other_nor_see_each_other(base: KnowledgeBase) -> None:
    other = KnowledgeBase(base.folder, base.variables["POSTGRES_URL"], tenant="other")
    base.write({"a.md": RETURNS})
    other.write({"a.md": RETURNS})
    reports = await asyncio.gather(base.seed(), other.seed())
    assert [counts(report) for report in reports] == ["1 0 0 0 / 2 2 0"] * 2


async def test_postgres_lost_and_back(base: KnowledgeBase, postgres_server: PostgresServer) -> None:
    base.write({"a.md": RETURNS})
    postgres_server.kill()
    try:
        failed = await base.seed(status=1)
    finally:
        postgres_server.start()
    assert "postgres" in str(failed["error"])
    assert counts(await base.seed()) == "1 0 0 0 / 2 2 0"


async def test_another_embedder_is_refused_before_anything_is_written(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS})
    await base.seed()
    connection = await asyncpg.connect(base.variables["POSTGRES_URL"])
    await connection.execute("UPDATE index_state SET embedder = 'another', dimensions = 8")
    await connection.close()
    refused = await base.seed(status=1)
    assert "--full" in str(refused["error"])
    assert counts(await base.seed("--full")) == "0 1 0 0 / 2 2 0"


async def test_a_vector_store_that_lost_everything_is_filled_without_embedding(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS})
    await base.seed()
    connection = await asyncpg.connect(base.variables["POSTGRES_URL"])
    await connection.execute("TRUNCATE vectors, vector_entries")
    await connection.close()
    assert counts(await base.seed()) == "0 0 1 0 / 0 2 0"
    await assert_whole(base)


async def test_what_another_embedder_made_is_embedded_again_as_it_was(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS, "b.txt": HOURS})
    await base.seed()
    before = await rows(base, "SELECT digest, embedding FROM embeddings ORDER BY 1")
    connection = await asyncpg.connect(base.variables["POSTGRES_URL"])
    await connection.execute("TRUNCATE embeddings, vectors, vector_entries")
    await connection.close()
    assert counts(await base.seed()) == "0 0 2 0 / 3 3 0"
    assert await rows(base, "SELECT digest, embedding FROM embeddings ORDER BY 1") == before


@pytest.mark.parametrize("missing", ["POSTGRES_URL", "OBJECTS_URL"])
async def test_what_is_not_set_is_named(base: KnowledgeBase, missing: str) -> None:
    del base.variables[missing]
    assert missing in str((await base.seed(status=1))["error"])


async def test_switching_stores_embeds_nothing(base: KnowledgeBase, tmp_path: Path) -> None:
    base.write({"a.md": RETURNS, "b.txt": HOURS})
    base.variables["QDRANT_URL"] = f"file://{tmp_path / 'qdrant'}"
    async with TestServer(PineconeServer().app()) as server:
        base.variables |= {
            "PINECONE_API_KEY": "pcsk_test",
            "PINECONE_INDEX": "salambot-kb",
            "PINECONE_CONTROLLER_HOST": str(server.make_url("")).rstrip("/"),
        }
        assert counts(await base.seed("--vector", "local")) == "2 0 0 0 / 3 3 0"
        for vector in ("pinecone", "qdrant"):
            assert counts(await base.seed("--vector", vector)) == "0 0 2 0 / 0 3 0"
        base.write({"a.md": RETURNS.replace("14", "30")})
        for vector, figures in (
            ("pinecone", "0 1 1 0 / 1 1 1"),
            ("local", "0 0 2 0 / 0 1 1"),
            ("qdrant", "0 0 2 0 / 0 1 1"),
        ):
            report = await base.seed("--vector", vector)
            assert (report["vector"], counts(report)) == (vector, figures)


async def test_a_vector_store_that_fails_is_named_and_the_next_run_finishes(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS})
    fake = PineconeServer()
    async with TestServer(fake.app()) as server:
        base.variables |= {
            "PINECONE_API_KEY": "pcsk_bad",
            "PINECONE_INDEX": "salambot-kb",
            "PINECONE_CONTROLLER_HOST": str(server.make_url("")).rstrip("/"),
        }
        failed = await base.seed("--vector", "pinecone", status=1)
        assert failed["error"] == "pinecone: UnauthorizedError 401"
        base.variables["PINECONE_API_KEY"] = "pcsk_good"
        fake.script("error_500", "rate_limit")
        assert counts(await base.seed("--vector", "pinecone")) == "1 0 0 0 / 2 2 0"
        assert len(fake.namespaces["demo"]) == 2


async def test_a_large_bill_is_announced_before_it_is_made(tmp_path: Path, database_url: str) -> None:
    fake = OpenAiServer()
    async with TestServer(fake.app()) as running:
        variables = {"OPENAI_BASE_URL": str(running.make_url("/v1")), "OPENAI_API_KEY": "sk-good"}
        variables |= {"EMBEDDER": "openai", "OPENAI_EMBEDDING_DIMENSIONS": "8", "OPENAI_EMBEDDING_PRICE": "0.02"}
        base = KnowledgeBase(tmp_path / "objects", database_url, **variables)
        base.write({f"{n}.txt": "\n\n".join(f"{n} {line} {'ي' * 1000}" for line in range(20)) for n in range(45)})
        refused = await base.seed(status=1)
        assert refused["decision"] == "cost"
        assert "M tokens, about $0.0" in str(refused["question"])
        assert not fake.requests
        assert counts(await base.seed("--yes")).startswith("45 0 0 0 / 900 ")
        base.write({"0.txt": "Une ligne."})
        assert counts(await base.seed()).startswith("0 1 44 0 /"), "a small one is not asked about"


async def test_an_attached_job_ends_with_its_caller(base: KnowledgeBase) -> None:
    base.write({f"{number}.md": RETURNS.replace("14", str(number)) for number in range(300)})
    job = await base.start("--attached", "--json-lines", stdin=asyncio.subprocess.PIPE)
    assert job.stdout is not None
    assert job.stdin is not None
    await job.stdout.readline()
    job.stdin.close()
    output, _ = await job.communicate()
    assert job.returncode == 130
    assert "the next run finishes the job" in output.decode()
    assert (await base.seed())["documents"]["seen"] == 300  # type: ignore[index] # a report's figures
    await assert_whole(base)
