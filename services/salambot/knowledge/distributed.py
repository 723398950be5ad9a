"""One run over many workers: the queue only dispatches batches, and what is done stands in the manifest."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, NotRequired, TypedDict

import structlog

from salambot.core.database import ACQUIRE_TIMEOUT_SECONDS, Connection, Pool, translate_errors
from salambot.core.postgres_session import hold_lock
from salambot.knowledge.indexing import Elsewhere, IndexCandidate, SeedReport
from salambot.knowledge.objects import StoredObject

if TYPE_CHECKING:
    from salambot.webhooks.streaq_worker import EventStoppedWorker

QUEUE = "salambot-seed"
_TASK = "index"
_PATIENCE_SECONDS = 600
"""How long a coordinator waits for one batch before it does the work itself."""
_RESULT_SECONDS = 3600
_LOCK_SECONDS = 600
_log = structlog.get_logger(__name__)


class BatchTask(TypedDict):
    """A batch on the queue, as JSON. `coordinator` is the process id of the connection that holds the tenant's lock;
    `traceparent` is the trace of the run.
    """

    tenant: str
    vector: str
    embedder: str
    below: str
    full: bool
    coordinator: int
    traceparent: NotRequired[str]
    items: list[tuple[str, int, str, str, str]]


Handler = Callable[[BatchTask], Awaitable[SeedReport | None]]


def _engine(redis_url: str, *, grace_s: int = 0) -> "EventStoppedWorker":
    engine: EventStoppedWorker = import_module("salambot.webhooks.streaq_worker").EventStoppedWorker(
        redis_url, grace_s=grace_s, queue=QUEUE
    )
    return engine


def encode_batch(batch: Sequence[IndexCandidate]) -> list[tuple[str, int, str, str, str]]:
    """Return a batch as JSON takes it."""
    items = ((candidate.item, candidate.label) for candidate in batch)
    return [(item.path, item.size, item.etag, item.modified.isoformat(), label) for item, label in items]


def decode_batch(work: BatchTask) -> list[IndexCandidate]:
    """Return the batch of a task."""
    return [
        IndexCandidate(StoredObject(path, size, etag, datetime.fromisoformat(modified)), label)
        for path, size, etag, modified, label in work["items"]
    ]


@asynccontextmanager
async def distributed_indexer(redis_url: str, work: BatchTask, own: Handler) -> AsyncIterator[Elsewhere]:
    """Yield what has batches indexed by any worker; this process is one of them, so that a run needs no other."""
    stopping = asyncio.Event()
    consuming = asyncio.create_task(consume(redis_url, own, stopping))
    try:
        async with await asyncio.to_thread(_engine, redis_url) as engine:

            async def elsewhere(batch: Sequence[IndexCandidate]) -> SeedReport | None:
                return await _dispatched(engine, BatchTask(**{**work, "items": encode_batch(batch)}))

            yield elsewhere
    finally:
        stopping.set()
        await consuming


async def _dispatched(engine: "EventStoppedWorker", work: BatchTask) -> SeedReport | None:
    """Have one batch indexed. What goes wrong on the way, the coordinator then does, and hears of real errors."""
    try:
        task = await engine.enqueue_unsafe(_TASK, work)
        ended = await task.result(_PATIENCE_SECONDS)
        return SeedReport(**ended.result) if ended.success and ended.result else None
    except Exception as error:  # noqa: BLE001 - Redis or a worker may fail in any way
        _log.warning("no worker indexed a batch: this process does", error=str(error))
        return None


async def consume(redis_url: str, handler: Handler, stopping: asyncio.Event, *, grace_s: int = 5) -> None:
    """Index batches until `stopping` is set; a batch that is cut short is dispatched again."""
    while not stopping.is_set():
        engine = await asyncio.to_thread(_engine, redis_url, grace_s=grace_s)
        engine.stopping = stopping

        async def index(work: BatchTask) -> dict[str, object] | None:
            report = await handler(work)
            return None if report is None else asdict(report)

        engine.task(name=_TASK, max_tries=None, silent=True, ttl=_RESULT_SECONDS)(index)
        try:
            await engine.run_async()
        except Exception as error:  # noqa: BLE001 - Redis may fail in any way, and comes back
            _log.warning("redis is away, batches wait", error=str(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), 1)


def run_lock_sql(tenant: str) -> str:
    """Return the SQL of the advisory lock that a run holds."""
    return f"hashtextextended('salambot seed {tenant}', 0)"


async def wait_for_previous_run(connection: Connection, tenant: str) -> None:
    """Wait until no worker is at a batch of an earlier run that was killed."""
    lock = _batch_lock(tenant)
    await connection.execute(f"SELECT pg_advisory_lock({lock}), pg_advisory_unlock({lock})", timeout=_LOCK_SECONDS)


@asynccontextmanager
async def batch_lease(pool: Pool, work: BatchTask) -> AsyncIterator[bool]:
    """Hold a batch's share of the tenant; yield whether its run is still under way."""
    with translate_errors():
        async with (
            pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection,
            hold_lock(connection, _batch_lock(work["tenant"]), shared=True, seconds=_LOCK_SECONDS),
        ):
            yield bool(await connection.fetchval(_HOLDS.format(run_lock_sql(work["tenant"])), work["coordinator"]))


def _batch_lock(tenant: str) -> str:
    return f"hashtextextended('salambot seed batch {tenant}', 0)"


_HOLDS = """
    SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = $1
      AND (classid::bigint << 32) | objid::bigint = {})"""
