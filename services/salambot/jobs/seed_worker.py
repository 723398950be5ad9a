"""Index batches of seed runs, on any machine: `python -m salambot.jobs.seed_worker`. Any number may run."""

import asyncio
import signal
import sys
from collections.abc import Mapping

import structlog
from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from salambot import telemetry
from salambot.core import database, logs, tracing
from salambot.core.database import Pool
from salambot.core.mounted_secrets import load_mounted_secrets
from salambot.jobs.settings import JobSettings
from salambot.knowledge.distributed import BatchTask, batch_lease, consume, decode_batch
from salambot.knowledge.embedders import open_embedder
from salambot.knowledge.embedders.base import Embedder
from salambot.knowledge.embeddings import Embeddings
from salambot.knowledge.indexing import Indexer, SeedReport
from salambot.knowledge.isolation import IsolatedParser
from salambot.knowledge.manifest import Manifest
from salambot.knowledge.objects import Objects
from salambot.knowledge.vectors import open_store
from salambot.knowledge.vectors.base import VectorStore

_log = structlog.get_logger(__name__)


class BatchIndexer:
    """Indexes batches of any tenant; vector stores stay open between batches."""

    def __init__(self, pool: Pool, embedder: Embedder, objects_url: str, parser: IsolatedParser) -> None:
        self._pool, self._embedder, self._objects_url = pool, embedder, objects_url.rstrip("/")
        self._parser = parser
        self._stores: dict[str, VectorStore] = {}

    async def index(self, work: BatchTask) -> SeedReport | None:
        """Index a batch. Returns None when its run is over or used another embedder."""
        if work["embedder"] != self._embedder.name:
            return None
        carrier = {"traceparent": work.get("traceparent", "")}
        with tracing.request_trace(carrier, public=False, kind=SpanKind.CONSUMER) as span:
            span.update_name("seed.batch")
            async with batch_lease(self._pool, work) as is_under_way:
                return await self._index(work) if is_under_way else None

    async def _index(self, work: BatchTask) -> SeedReport:
        store = self._stores.get(work["vector"])
        if store is None:
            store = self._stores[work["vector"]] = open_store(work["vector"], self._pool, self._embedder)
        tenant = work["tenant"]
        embeddings = Embeddings(self._pool, tenant, self._embedder.name, store.name)
        objects = Objects(f"{self._objects_url}/{work['below']}", tenant)
        manifest = Manifest(self._pool, tenant)
        indexer = Indexer(objects, manifest, embeddings, self._embedder, store, _silent, parser=self._parser)
        return await indexer.index_batch(decode_batch(work), full=work["full"])

    async def close(self) -> None:
        """Close the stores; pool and embedder belong to whoever opened them."""
        for store in self._stores.values():
            await store.close()


def _silent(_name: str, _members: Mapping[str, int | str]) -> None:
    """Announce nothing: the run that asked for a batch does."""


async def run_worker(settings: JobSettings) -> None:
    """Run until SIGTERM or SIGINT."""
    if settings.redis_url is None:
        raise ValueError("REDIS_URL is not set: it is where batches come from")
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    embedder = open_embedder(settings.embedder)
    async with await database.connect(settings.postgres_url.get_secret_value(), max_size=4) as pool:
        parser = IsolatedParser(settings.document_seconds)
        batches = BatchIndexer(pool, embedder, settings.objects_url, parser)

        async def index(work: BatchTask) -> SeedReport | None:
            report = await batches.index(work)
            _log.info("batch", tenant=work["tenant"], documents=len(work["items"]), indexed=report is not None)
            return report

        try:
            await consume(settings.redis_url.get_secret_value(), index, stopping)
        finally:
            await batches.close()
            await parser.close()
            await embedder.close()


def main() -> int:
    """Run the worker; 0 stopped, 1 its environment is wrong."""
    load_mounted_secrets()
    try:
        settings = JobSettings()
        logs.configure(settings, "seed-worker")
        telemetry.start("seed-worker")
        asyncio.run(run_worker(settings))
    except ValidationError as error:
        print("not set: " + ", ".join(str(item["loc"][0]).upper() for item in error.errors()), file=sys.stderr)  # noqa: T201
        return 1
    except ValueError as error:
        print(f"the worker cannot start: {error}", file=sys.stderr)  # noqa: T201 - a job speaks on standard error
        return 1
    finally:
        telemetry.stop("seed-worker")
    return 0


if __name__ == "__main__":
    sys.exit(main())
