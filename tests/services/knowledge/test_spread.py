"""Seeding over several workers: each batch is done once or again, and never half."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from salambot.core import database
from salambot.jobs.migrate import migrate
from salambot.jobs.seed_worker import BatchIndexer
from salambot.knowledge.distributed import BatchTask
from salambot.knowledge.embedders.local import LocalEmbedder
from salambot.knowledge.isolation import IsolatedParser
from tests.fakes.otlp_receiver import OtlpReceiver, receiving
from tests.knowledge import KnowledgeBase

DOCUMENTS = 400
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def base(tmp_path: Path, database_url: str, redis_url: str) -> KnowledgeBase:
    made = KnowledgeBase(tmp_path / "objects", database_url, REDIS_URL=redis_url)
    made.write({f"{n}.md": f"# Article {n}\n\nLe modèle {n} coûte {n} dirhams.\n" for n in range(DOCUMENTS)})
    return made


@asynccontextmanager
async def worker(base: KnowledgeBase) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "salambot.jobs.seed_worker"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **base.variables},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def counts(base: KnowledgeBase) -> tuple[int, int, int]:
    connection = await asyncpg.connect(base.variables["POSTGRES_URL"])
    try:
        row = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM vectors), documents FROM index_state"
        )
    finally:
        await connection.close()
    assert row is not None
    return row[0], row[1], row[2]


async def test_workers_share_a_run_and_the_figures_are_those_of_one(base: KnowledgeBase) -> None:
    async with worker(base) as other:
        assert other.stdout is not None
        run = asyncio.create_task(base.seed("--spread"))
        line = await asyncio.wait_for(other.stdout.readline(), 300)
        assert b'"indexed":true' in line
        report = await run
    assert isinstance(report["documents"], dict)
    assert isinstance(report["read"], list)
    assert len(report["read"]) == DOCUMENTS
    assert report["documents"] == {
        "seen": DOCUMENTS, "added": DOCUMENTS, "changed": 0, "unchanged": 0, "removed": 0, "rejected": []
    }  # fmt: skip
    assert await counts(base) == (DOCUMENTS, DOCUMENTS, DOCUMENTS)
    assert (await base.seed("--spread"))["chunks"] == {"embedded": 0, "upserted": 0, "deleted": 0}


async def test_a_run_is_one_trace_over_all_its_workers(base: KnowledgeBase) -> None:
    receiver = OtlpReceiver()
    with receiving(receiver) as url:
        base.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
        async with worker(base) as other:
            assert other.stdout is not None
            run = asyncio.create_task(base.seed("--spread", "--traceparent", f"00-{TRACE}-b7ad6b7169203331-01"))
            await asyncio.wait_for(other.stdout.readline(), 300)
            await run
    spans = {span.span_id: (service, span) for service, span in receiver.spans(TRACE)}
    documents = [span for _, span in spans.values() if span.name == "seed.document"]
    batches = [spans[span.parent_span_id] for span in documents]
    assert len(documents) == DOCUMENTS
    assert {service for service, _ in batches} == {"seed", "seed-worker"}
    assert {span.name for _, span in batches} == {"seed.batch"}
    assert {spans[batch.parent_span_id][1].name for _, batch in batches} == {"seed"}


async def test_a_worker_that_is_killed_loses_nothing(base: KnowledgeBase) -> None:
    async with worker(base) as other, worker(base) as second:
        assert other.stdout is not None
        assert second.stdout is not None
        run = asyncio.create_task(base.seed("--spread"))
        first = {asyncio.create_task(one.stdout.readline()): one for one in (other, second) if one.stdout is not None}
        done, waiting = await asyncio.wait(first, timeout=300, return_when=asyncio.FIRST_COMPLETED)
        first[done.pop()].send_signal(signal.SIGKILL)  # it works: its next batch is under way
        report = await run
        for task in waiting:
            task.cancel()
    assert report["documents"]["seen"] == DOCUMENTS
    assert await counts(base) == (DOCUMENTS, DOCUMENTS, DOCUMENTS)


async def test_without_redis_the_coordinator_does_it(base: KnowledgeBase) -> None:
    alone = KnowledgeBase(base.folder, base.variables["POSTGRES_URL"], REDIS_URL="redis://127.0.0.1:1/0")
    await alone.seed("--spread")
    assert await counts(base) == (DOCUMENTS, DOCUMENTS, DOCUMENTS)


async def test_a_batch_of_a_run_that_is_over_is_refused(base: KnowledgeBase) -> None:
    url = base.variables["POSTGRES_URL"]
    await migrate(url)
    work: BatchTask = {
        "tenant": "demo", "vector": "local", "embedder": LocalEmbedder.name, "below": "", "full": False,
        "coordinator": 1, "items": [("1.md", 10, "", "2026-01-01T00:00:00+00:00", "objects")],
    }  # fmt: skip
    async with await database.connect(url, max_size=4) as pool:
        batches = BatchIndexer(pool, LocalEmbedder(), base.variables["OBJECTS_URL"], IsolatedParser())
        assert await batches.index(work) is None
        assert await batches.index({**work, "embedder": "another"}) is None
        await batches.close()
