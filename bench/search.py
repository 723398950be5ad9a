"""Search over many chunks with pgvector, beside exact search by numpy: `python -m bench.search`."""

import argparse
import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.table import Row, markdown, put
from salambot.core import database
from salambot.core.database import Pool
from salambot.core.schemas import SearchRequest
from salambot.jobs.migrate import migrate
from salambot.knowledge.chunks import chunk
from salambot.knowledge.embedders.base import Vectors
from salambot.knowledge.manifest import IndexedDocument, Manifest, ManifestEntry
from salambot.knowledge.parsers.base import Document, Section
from salambot.knowledge.vectors.local import LocalVectors
from salambot.rag.candidates import LIMIT
from salambot.rag.retrieval import Retriever
from tests.servers import PostgresServer

CHUNKS, DIMENSIONS, A_TOPIC, QUESTIONS = 100_000, 384, 50, 500
_BATCH = 240
_SPREAD = 0.7
"""Of a chunk around its topic, against the topic's own length: neighbours are near, and topics are apart."""


class Given:
    """Stands in for an embedder of 384 dimensions: the vectors are made here, one for each question in turn."""

    name = "bench-384"
    dimensions = DIMENSIONS
    price = 0.0

    def __init__(self, asked: Vectors) -> None:
        self._asked = iter(asked)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the next vector, whatever was asked."""
        return np.stack([next(self._asked) for _ in texts])

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


class Talk:
    """Texts whose words are as unevenly frequent as in real ones (Zipf): the commonest stands in more than half."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        letters = random.choice(list("abdefgilmnoprstu"), size=(20_000, 8))
        self._words = ["".join(row[: 5 + at % 4]) for at, row in enumerate(letters)]
        shares = 1 / np.arange(10, 10 + len(self._words))
        self._shares = shares / shares.sum()

    def __call__(self, words: int) -> str:
        """Return a text of this many words."""
        return " ".join(self._words[at] for at in self._random.choice(len(self._words), size=words, p=self._shares))


async def write(pool: Pool, digests: Sequence[bytes], talk: Talk) -> None:
    """Commit documents of three chunks, of seventy words each."""
    manifest, when = Manifest(pool, "demo"), datetime.now(UTC)
    for start in range(0, len(digests), _BATCH):
        documents = []
        for at in range(start, min(start + _BATCH, len(digests)), 3):
            pieces = chunk(Document("", tuple(Section((talk(6),), talk(64)) for _ in digests[at : at + 3])))
            pairs = zip(pieces, digests[at : at + 3], strict=True)
            chunks = [replace(piece, digest=digest) for piece, digest in pairs]
            entry = ManifestEntry("bench", digests[at], "bench", "")
            documents.append(IndexedDocument(f"{at}.md", entry, "Document", "kb://bench", when, {}, chunks))
        await manifest.commit(documents)


async def search(url: str, chunks: int) -> tuple[list[float], float, list[float]]:
    """Return the milliseconds of each search, the share of exact neighbours found, and what `rag` takes for all."""
    random = np.random.default_rng(4)
    topics = _unit(random.standard_normal((chunks // A_TOPIC, DIMENSIONS), dtype=np.float32))
    stored, asked = made(chunks, topics, random), made(QUESTIONS, topics, random)
    digests = [hashlib.sha256(str(row).encode()).digest() for row in range(chunks)]
    rows = {digest: row for row, digest in enumerate(digests)}
    talk = Talk(random)
    await migrate(url)
    async with await database.connect(url, max_size=4) as pool:
        store = LocalVectors(pool, Given(asked))
        for start in range(0, chunks, _BATCH):
            await store.upsert("demo", digests[start : start + _BATCH], stored[start : start + _BATCH])
        await write(pool, digests, talk)
        await store.build_index()
        await pool.execute("VACUUM ANALYZE", timeout=600)  # autovacuum does within a minute
        times, found = [], []
        for vector in asked:
            started = time.perf_counter()
            hits = await store.search("demo", vector, LIMIT)
            times.append((time.perf_counter() - started) * 1000)
            found.append({rows[hit.digest] for hit in hits})
        whole = await ask_rag(Retriever(pool, store, Given(asked)), talk)
    pairs = zip(found, exact(stored, asked), strict=True)
    return times, sum(len(one & other) for one, other in pairs) / (LIMIT * QUESTIONS), whole


async def ask_rag(lookup: Retriever, talk: Talk) -> list[float]:
    """Return the milliseconds of whole lookups, each of another six words: both searches, and the ranking."""
    times = []
    for _ in range(QUESTIONS):
        request = SearchRequest(query=talk(6), tenant="demo", top_k=5)
        started = time.perf_counter()
        await lookup.retrieve(request)
        times.append((time.perf_counter() - started) * 1000)
    return times


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
            times, recall, whole = asyncio.run(search(server.url(), chunks))
        finally:
            server.stop()
    what = f"{LIMIT} nearest of {chunks:,} × {DIMENSIONS}"
    return [
        Row(f"{what}, p95", statistics.quantiles(times, n=20)[-1], None, "ms", 25, "≤ 25 ms"),
        Row("the whole of `rag`'s lookup, p95", statistics.quantiles(whole, n=20)[-1], None, "ms", 25, "≤ 25 ms"),
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
