"""Search over many chunks with pgvector, beside exact search by numpy: `python -m bench.search`."""

import argparse
import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.table import Row, markdown, put
from salambot import database
from salambot.embedders.base import Vectors
from salambot.jobs.migrate import migrate
from salambot.rag.candidates import LIMIT
from salambot.vectors.local import LocalVectors
from tests.servers import PostgresServer

CHUNKS, DIMENSIONS, A_TOPIC, QUESTIONS = 100_000, 384, 50, 500
_BATCH = 250
_SPREAD = 0.7
"""Of a chunk around its topic, against the topic's own length: neighbours are near, and topics are apart."""


class Given:
    """Stands in for an embedder of 384 dimensions: the vectors are made here."""

    name = "bench-384"
    dimensions = DIMENSIONS
    price = 0.0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Nothing is embedded here."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""


def made(count: int, topics: Vectors, random: np.random.Generator) -> Vectors:
    """Return vectors of length 1, each near one topic, shape (count, 384)."""
    noise = random.standard_normal((count, DIMENSIONS), dtype=np.float32) / np.float32(DIMENSIONS**0.5)
    vectors = topics[random.integers(len(topics), size=count)] + np.float32(_SPREAD) * noise
    return _unit(vectors)


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def exact(stored: Vectors, asked: Vectors) -> list[set[int]]:
    """Return the rows that are nearest to each question."""
    nearest: NDArray[np.intp] = np.argpartition(-(asked @ stored.T), LIMIT, axis=1)[:, :LIMIT]
    return [set(row.tolist()) for row in nearest]


async def search(url: str, chunks: int) -> tuple[list[float], float]:
    """Return the milliseconds of each search, and the share of the exact neighbours that were found."""
    random = np.random.default_rng(4)
    topics = _unit(random.standard_normal((chunks // A_TOPIC, DIMENSIONS), dtype=np.float32))
    stored, asked = made(chunks, topics, random), made(QUESTIONS, topics, random)
    digests = [hashlib.sha256(str(row).encode()).digest() for row in range(chunks)]
    rows = {digest: row for row, digest in enumerate(digests)}
    await migrate(url)
    async with await database.connect(url, max_size=4) as pool:
        store = LocalVectors(pool, Given())
        for start in range(0, chunks, _BATCH):
            await store.upsert("demo", digests[start : start + _BATCH], stored[start : start + _BATCH])
        await store.settle()
        await pool.execute("ANALYZE vectors", timeout=600)
        times, found = [], []
        for vector in asked:
            started = time.perf_counter()
            hits = await store.search("demo", vector, LIMIT)
            times.append((time.perf_counter() - started) * 1000)
            found.append({rows[hit.digest] for hit in hits})
    pairs = zip(found, exact(stored, asked), strict=True)
    return times, sum(len(one & other) for one, other in pairs) / (LIMIT * QUESTIONS)


def measure(chunks: int = CHUNKS) -> list[Row]:
    """Search by one client, as `rag` does for one question."""
    with tempfile.TemporaryDirectory(prefix="salambot-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        home = folder / "home"
        home.mkdir()
        server = PostgresServer(home, shared_buffers="128MB")  # PostgreSQL's default, ours and the container's
        server.start()
        try:
            times, recall = asyncio.run(search(server.url(), chunks))
        finally:
            server.stop()
    what = f"{LIMIT} nearest of {chunks:,} × {DIMENSIONS}"
    return [
        Row(f"{what}, p95", statistics.quantiles(times, n=20)[-1], None, "ms", 25, "≤ 25 ms"),
        Row(f"{what}, recall against exact search", recall, None, "", 0.95, "≥ 0.95", more_is_better=True),
    ]


def main() -> None:
    """Measure and print; the full size is written to bench/README.md too."""
    parser = argparse.ArgumentParser(prog="bench.search", description=__doc__)
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    given = parser.parse_args()
    table = markdown(measure(given.chunks))
    print(table)
    if given.chunks == CHUNKS:
        put("search", table)


if __name__ == "__main__":
    main()
