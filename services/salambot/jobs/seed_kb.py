"""Index a tenant's documents: `python -m salambot.jobs.seed_kb --tenant demo --incremental --vector local`."""

import argparse
import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import orjson
from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from salambot import telemetry
from salambot.core import database, logs, tracing
from salambot.core.database import DatabaseUnavailableError, Pool, translate_errors
from salambot.core.mounted_secrets import load_mounted_secrets
from salambot.core.postgres_session import LockHeldError, hold_lock
from salambot.jobs.migrate import MigrationError, migrate
from salambot.jobs.parent_watch import interrupt_when_stdin_closes
from salambot.jobs.seed_worker import BatchIndexer
from salambot.jobs.settings import JobSettings
from salambot.knowledge.distributed import BatchTask, distributed_indexer, run_lock_sql, wait_for_previous_run
from salambot.knowledge.embedders import open_embedder
from salambot.knowledge.embedders.base import Embedder, EmbeddingError
from salambot.knowledge.embeddings import Embeddings
from salambot.knowledge.indexing import Elsewhere, Indexer, Options, SeedRefusedError, SeedReport
from salambot.knowledge.isolation import IsolatedParser
from salambot.knowledge.manifest import Manifest
from salambot.knowledge.objects import Objects, ObjectsUnavailableError
from salambot.knowledge.sources import UnknownSourceError
from salambot.knowledge.vectors import VECTORS, open_store
from salambot.knowledge.vectors.base import VectorStoreError

if TYPE_CHECKING:  # a run without Redis should not pay for its client
    from redis.asyncio import Redis

LOCK_TIMEOUT_SECONDS = 600
INTERRUPTED = 130
_RETRY_SECONDS = 0.1
_FAILURES = (
    DatabaseUnavailableError,
    asyncpg.PostgresError,
    EmbeddingError,
    LockHeldError,
    MigrationError,
    ObjectsUnavailableError,
    UnknownSourceError,
    VectorStoreError,
    ValueError,  # a setting of the embedder or of the store, named by it
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; 0 done, 1 failed, 2 usage, 130 interrupted. The report is one JSON document on standard output."""
    given = _parser().parse_args(arguments)
    speak = _Speaker(events=given.json_lines)
    started = time.monotonic()
    load_mounted_secrets()
    if given.attached:
        interrupt_when_stdin_closes()
    try:
        settings = JobSettings()
        logs.configure(settings, "seed", "stderr")  # standard output is the report's
        telemetry.start("seed")
        given.vector = given.vector or settings.vector
        report = asyncio.run(_traced(settings, given, speak))
    except ValidationError as error:
        missing = ", ".join(str(item["loc"][0]).upper() for item in error.errors())
        return speak.failed(given, f"not set, or not valid: {missing}")
    except SeedRefusedError as refused:
        return speak.failed(given, str(refused), decision=refused.decision, question=refused.question)
    except KeyboardInterrupt:
        return speak.failed(given, "interrupted: the next run finishes the job", status=INTERRUPTED)
    except _FAILURES as error:
        return speak.failed(given, str(error) or type(error).__name__)
    finally:
        telemetry.stop("seed")
    speak.done(given, report, round((time.monotonic() - started) * 1000))
    return 0


async def _traced(settings: JobSettings, given: argparse.Namespace, speak: "_Speaker") -> SeedReport:
    with tracing.request_trace({"traceparent": given.traceparent}, public=False, kind=SpanKind.INTERNAL) as span:
        span.update_name("seed")
        span.set_attribute("salambot.vector", given.vector)
        return await _seed(settings, given, speak)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="salambot.jobs.seed_kb", description=__doc__)
    parser.add_argument("--tenant", required=True, type=_tenant)
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument(
        "--incremental", dest="full", action="store_false", default=False, help="only what changed (the default)"
    )
    depth.add_argument("--full", action="store_true", help="everything, embeddings too")
    parser.add_argument("--vector", choices=VECTORS, help="default: $VECTOR, else local")
    parser.add_argument("--source", metavar="LABEL", help="only the documents that this source lists")
    parser.add_argument("--below", metavar="FOLDER", default="", help="read a folder of the object store instead")
    parser.add_argument("--prune", action=argparse.BooleanOptionalAction, help="drop what its source no longer has")
    parser.add_argument("--dry-run", action="store_true", help="report what would be done")
    parser.add_argument("--spread", action="store_true", help="over all workers (salambot.jobs.seed_worker), by Redis")
    parser.add_argument("--yes", action="store_true", help="accept what embedding costs")
    parser.add_argument("--traceparent", default="", help="the trace that this run is a part of (W3C)")
    parser.add_argument("--attached", action="store_true", help="end when standard input closes")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="the report as one JSON document (the default)")
    output.add_argument("--json-lines", action="store_true", help="an event a line, the report last")
    return parser


def _tenant(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", name):
        raise argparse.ArgumentTypeError("a tenant is a DNS label: a-z, 0-9 and - inside")
    return name


async def _seed(settings: JobSettings, given: argparse.Namespace, speak: "_Speaker") -> SeedReport:
    url = settings.postgres_url.get_secret_value()
    await migrate(url)
    embedder = open_embedder(settings.embedder)
    pool = await database.connect(url, max_size=8)
    store = open_store(given.vector, pool, embedder)
    options = Options(given.source, given.full, given.prune, given.dry_run, given.yes)
    try:
        async with (
            pool,
            IsolatedParser(settings.document_seconds) as parser,
            _tenant_lock(pool, given.tenant, speak) as coordinator,
            _elsewhere(settings, given, pool, embedder, coordinator, parser) as elsewhere,
        ):
            embeddings = Embeddings(pool, given.tenant, embedder.name, store.name)
            manifest = Manifest(pool, given.tenant)
            objects = Objects(f"{settings.objects_url.rstrip('/')}/{given.below}", given.tenant)
            indexer = Indexer(objects, manifest, embeddings, embedder, store, speak.event, elsewhere, parser=parser)
            report = await indexer.run(given.vector, options)
    finally:
        await store.close()
        await embedder.close()
    if not given.dry_run:
        await _tell_rag(settings, given.tenant)
    return report


@asynccontextmanager
async def _elsewhere(
    settings: JobSettings,
    given: argparse.Namespace,
    pool: Pool,
    embedder: Embedder,
    coordinator: int,
    parser: IsolatedParser,
) -> AsyncIterator[Elsewhere | None]:
    """With --spread, yield a function that dispatches batches to all workers."""
    redis_url = settings.redis_url
    if not given.spread or given.dry_run or redis_url is None or not await _redis_answers(redis_url.get_secret_value()):
        yield None
        return
    own = BatchIndexer(pool, embedder, settings.objects_url, parser)
    work: BatchTask = {
        "tenant": given.tenant,
        "vector": given.vector,
        "embedder": embedder.name,
        "below": given.below,
        "full": given.full,
        "coordinator": coordinator,
        "traceparent": tracing.propagate()["traceparent"],
        "items": [],
    }
    try:
        async with distributed_indexer(redis_url.get_secret_value(), work, own.index) as elsewhere:
            yield elsewhere
    finally:
        await own.close()


@asynccontextmanager
async def _tenant_lock(pool: Pool, tenant: str, speak: "_Speaker") -> AsyncIterator[int]:
    """Let one run a tenant at a time, on any machine; yield the process id of the connection that holds the lock.

    The lock goes with its connection: a killed run leaves none.
    """
    with translate_errors():
        async with pool.acquire(timeout=database.ACQUIRE_TIMEOUT_SECONDS) as connection:
            waiting = partial(speak.event, "waiting", {"for": "another seed of this tenant"})
            async with hold_lock(connection, run_lock_sql(tenant), seconds=LOCK_TIMEOUT_SECONDS, on_wait=waiting):
                await wait_for_previous_run(connection, tenant)
                yield int(await connection.fetchval("SELECT pg_backend_pid()"))


async def _redis_answers(url: str) -> bool:
    from redis.exceptions import RedisError

    from salambot.core import redis_client

    redis = redis_client.connect(url)
    try:
        return bool(await redis.ping())
    except RedisError:
        print("redis does not answer: this process does all the work", file=sys.stderr)  # noqa: T201
        return False
    finally:
        await redis.aclose()


async def _tell_rag(settings: JobSettings, tenant: str) -> None:
    """Wait until no rag serves the old index: notified by Redis, or after the cache TTL."""
    if settings.redis_url is None:
        return
    from salambot.core import redis_client
    from salambot.knowledge.version import CACHE_TTL_SECONDS, MAX_STALENESS_SECONDS

    redis = redis_client.connect(settings.redis_url.get_secret_value())
    try:
        async with asyncio.timeout(MAX_STALENESS_SECONDS + CACHE_TTL_SECONDS):
            await _tell(redis, tenant)
    except TimeoutError:
        print("redis does not answer: waited until nothing older is believed", file=sys.stderr)  # noqa: T201
    finally:
        await redis.aclose()


async def _tell(redis: "Redis", tenant: str) -> None:
    from redis.exceptions import RedisError

    from salambot.knowledge.version import publish_version

    while True:
        try:
            return await publish_version(redis, tenant)
        except RedisError:
            await asyncio.sleep(_RETRY_SECONDS)


class _Speaker:
    """Writes events and the report to standard output, and failures to standard error too."""

    def __init__(self, *, events: bool) -> None:
        self._events = events

    def event(self, name: str, members: Mapping[str, int | str]) -> None:
        if self._events:
            self._print({"schema_version": "1.0", "event": name, **members})

    def done(self, given: argparse.Namespace, report: SeedReport, duration_ms: int) -> None:
        figures = asdict(report)
        chunks = {name: figures.pop(name) for name in ("embedded", "upserted", "deleted")}
        status = "planned" if given.dry_run else "done"
        read = figures.pop("read")
        head = self._head(given, status)
        self._print({**head, "documents": figures, "chunks": chunks, "read": read, "duration_ms": duration_ms})

    def failed(self, given: argparse.Namespace, reason: str, status: int = 1, **more: str) -> int:
        self._print({**self._head(given, "failed"), "error": reason, **more})
        print(f"seed failed: {reason}", file=sys.stderr)  # noqa: T201
        return status

    def _head(self, given: argparse.Namespace, status: str) -> dict[str, object]:
        return {"schema_version": "1.0", "status": status, "tenant": given.tenant, "vector": given.vector}

    def _print(self, document: Mapping[str, object]) -> None:
        print(orjson.dumps(document).decode(), flush=True)  # noqa: T201 - a job speaks on standard output


if __name__ == "__main__":
    sys.exit(main())
