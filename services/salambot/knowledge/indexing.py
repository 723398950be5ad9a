"""One seed run: from what the sources hold now to an index that holds exactly that, at the least cost."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, TypedDict, TypeVar

import numpy as np

from salambot.core import tracing
from salambot.knowledge import parsers
from salambot.knowledge.chunks import PIPELINE
from salambot.knowledge.cost import LARGE, estimate, tokens_of
from salambot.knowledge.embedders.base import Embedder
from salambot.knowledge.embeddings import Embeddings
from salambot.knowledge.isolation import IsolatedParser
from salambot.knowledge.manifest import IndexedDocument, Manifest, ManifestEntry
from salambot.knowledge.objects import Objects, StoredObject
from salambot.knowledge.parsers.base import UnreadableDocumentError
from salambot.knowledge.sources import SAMPLE, select_documents
from salambot.knowledge.vectors.base import VectorStore

BATCH_DOCUMENTS, BATCH_BYTES = 64, 8 * 1024 * 1024
VECTOR_BATCH = 256

_Item = TypeVar("_Item")
Announce = Callable[[str, Mapping[str, int | str]], None]


Decision = Literal["embedder", "removals", "cost"]


class SeedRefusedError(Exception):
    """The run was not begun, or stopped before it removed anything; the message says what to decide."""

    def __init__(self, decision: Decision, question: str, options: str) -> None:
        super().__init__(f"{question}: {options}")
        self.decision = decision
        self.question = question


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the command line. `prune` is None when not given; `paid` accepts the cost of embedding."""

    source: str | None = None
    full: bool = False
    prune: bool | None = None
    dry_run: bool = False
    paid: bool = False


class DocumentReport(TypedDict):
    """The yield of one document: passages, how many of them are rows of tables, and what was left out."""

    path: str
    passages: int
    rows: int
    warnings: list[str]


MAX_REPORTED = 1000
"""Documents that a report lists one by one."""


@dataclass(slots=True)
class SeedReport:
    """The result of a run, or of a dry run: the figures of `salambot seed --json`."""

    seen: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    rejected: list[dict[str, str]] = field(default_factory=list)
    read: list["DocumentReport"] = field(default_factory=list)
    embedded: int = 0
    upserted: int = 0
    deleted: int = 0

    def merge(self, other: "SeedReport") -> None:
        """Count what another worker did."""
        self.added += other.added
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.rejected += other.rejected
        for document in other.read:
            self.add_document(document)
        self.embedded += other.embedded
        self.upserted += other.upserted

    def add_document(self, document: "DocumentReport") -> None:
        """Note what one document gave; of very many, those with warnings."""
        if len(self.read) < MAX_REPORTED or (document["warnings"] and len(self.read) < 2 * MAX_REPORTED):
            self.read.append(document)


@dataclass(frozen=True, slots=True)
class IndexCandidate:
    """A document to read, and the label of its source."""

    item: StoredObject
    label: str


Elsewhere = Callable[[Sequence[IndexCandidate]], Awaitable["SeedReport | None"]]
"""Has a batch indexed by some worker; None where nobody did."""
MAX_CONCURRENCY = 64
"""Batches that wait for workers at the same time."""


@dataclass(slots=True)
class _Batch:
    """Documents that were read: to be committed, only touched, or unreadable for a reason."""

    ready: list[IndexedDocument] = field(default_factory=list)
    touched: list[tuple[str, ManifestEntry]] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)


class Indexer:
    """A run for one tenant. The caller holds the tenant's lock."""

    def __init__(
        self,
        objects: Objects,
        manifest: Manifest,
        embeddings: Embeddings,
        embedder: Embedder,
        store: VectorStore,
        announce: Announce,
        elsewhere: Elsewhere | None = None,
        *,
        parser: IsolatedParser,
    ) -> None:
        self._objects = objects
        self._manifest = manifest
        self._embeddings = embeddings
        self._embedder = embedder
        self._store = store
        self._announce = announce
        self._report = SeedReport()
        self._elsewhere = elsewhere
        self._parser = parser
        self._own_turn = asyncio.Lock()

    async def run(self, vector: str, options: Options) -> SeedReport:
        """Bring the index up to date. A crash at any point loses nothing: the next run finishes the job.

        Raises SeedRefusedError, UnknownSourceError, EmbeddingError, VectorStoreError, ObjectsUnavailableError,
        DatabaseUnavailableError.
        """
        await self._refuse_another_embedder(options)
        entries = await self._manifest.entries()
        candidates, leftover = await self._compare(entries, options)
        self._announce("compared", {"seen": self._report.seen, "to_read": len(candidates)})
        if not options.dry_run:
            await self._refuse_a_surprising_bill(candidates, entries, options)
            await self._store.prepare()
        done = 0
        async for count, unreadable in self._index_all(candidates, entries, options):
            leftover += unreadable
            done += count
            self._announce("indexed", {"done": done, "total": len(candidates)})
        await self._remove(leftover, entries, options)
        if not options.dry_run:
            await self._fill_store()
            await self._sweep()
            self._announce("settling", {})
            await self._store.build_index()
            await self._manifest.commit_version(vector, self._embedder.name, self._embedder.dimensions)
        return self._report

    async def index_batch(self, batch: Sequence[IndexCandidate], *, full: bool) -> SeedReport:
        """Index one batch of a run that another process coordinates; doing it twice changes nothing."""
        entries = await self._manifest.entries([candidate.item.path for candidate in batch])
        await self._index(batch, entries, Options(full=full))
        return self._report

    async def _index_all(
        self, candidates: Sequence[IndexCandidate], entries: Mapping[str, ManifestEntry], options: Options
    ) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield of each batch how many documents it had, and those of the manifest that cannot be read any more."""
        at_once = 1 if self._elsewhere is None or options.dry_run else MAX_CONCURRENCY
        running: set[asyncio.Task[tuple[int, list[str]]]] = set()
        batches = _batches(candidates)
        try:
            while True:
                for batch in islice(batches, at_once - len(running)):
                    running.add(asyncio.create_task(self._index_somewhere(batch, entries, options)))
                if not running:
                    return
                ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()

    async def _index_somewhere(
        self, batch: Sequence[IndexCandidate], entries: Mapping[str, ManifestEntry], options: Options
    ) -> tuple[int, list[str]]:
        report = await self._elsewhere(batch) if self._elsewhere is not None and not options.dry_run else None
        if report is None:
            async with self._own_turn:
                return len(batch), await self._index(batch, entries, options)
        self._report.merge(report)
        return len(batch), [item["path"] for item in report.rejected if item["path"] in entries]

    async def _refuse_another_embedder(self, options: Options) -> None:
        head = await self._manifest.head()
        if head.embedder not in {None, self._embedder.name} and not options.full:
            raise SeedRefusedError(
                "embedder",
                f"the index was made by the embedder {head.embedder} ({head.dimensions} dimensions), and this is "
                f"{self._embedder.name} ({self._embedder.dimensions})",
                "--full embeds everything again",
            )

    async def _refuse_a_surprising_bill(
        self, candidates: Sequence[IndexCandidate], entries: Mapping[str, ManifestEntry], options: Options
    ) -> None:
        """Read everything once more beforehand where embedding costs money: that costs only time."""
        if options.paid or self._embedder.price == 0:
            return
        tokens = 0
        for batch in _batches(candidates):
            texts = _texts((await self._read_all(batch, entries, options)).ready)
            known = set() if options.full else await self._embeddings.find_embedded(list(texts))
            tokens += tokens_of(text for digest, text in texts.items() if digest not in known)
        if tokens >= LARGE:
            raise SeedRefusedError(
                "cost", f"this would embed {estimate(tokens, self._embedder.price)}", "--yes accepts that"
            )

    async def _compare(
        self, entries: dict[str, ManifestEntry], options: Options
    ) -> tuple[list[IndexCandidate], list[str]]:
        """Return what has to be read, and the paths of the manifest that are to go."""
        want = await select_documents(self._objects, options.source)
        self._report.seen = len(want.documents) + len(want.refused)
        self._report.rejected += [{"path": path, "reason": reason} for path, reason in want.refused.items()]
        candidates, moved = [], []
        for path, (item, label) in want.documents.items():
            entry = entries.get(path)
            if not parsers.is_document(path):
                self._reject(path, "not a format that is read")
            elif options.full or entry is None or (entry.etag, entry.pipeline) != (item.etag, PIPELINE):
                candidates.append(IndexCandidate(item, label))
            else:
                self._report.unchanged += 1
                if entry.source != label:
                    moved.append((path, ManifestEntry(label, entry.digest, entry.pipeline, entry.etag)))
        if moved and not options.dry_run:
            await self._manifest.update_metadata(moved)
        gone = {SAMPLE, options.source} if options.source is not None and options.source != SAMPLE else {options.source}
        leftover = [
            path
            for path, entry in entries.items()
            if path not in want.documents and (options.source is None or entry.source in gone)
        ]
        return candidates, leftover

    async def _index(
        self, batch: Sequence[IndexCandidate], entries: Mapping[str, ManifestEntry], options: Options
    ) -> list[str]:
        """Index one batch; return the paths that the manifest knows and that cannot be read any more."""
        read = await self._read_all(batch, entries, options)
        for path, reason in read.rejected:
            self._reject(path, reason)
        self._report.unchanged += len(read.touched)
        self._report.added += sum(document.path not in entries for document in read.ready)
        self._report.changed += sum(document.path in entries for document in read.ready)
        for document in read.ready:
            self._report.add_document(_document_report(document))
        await self._write(read.ready, read.touched, options)
        return [path for path, _ in read.rejected if path in entries]

    async def _read_all(
        self, batch: Sequence[IndexCandidate], entries: Mapping[str, ManifestEntry], options: Options
    ) -> _Batch:
        contents = await asyncio.gather(*(self._content(candidate.item) for candidate in batch))
        read = _Batch()
        for candidate, content in zip(batch, contents, strict=True):
            path, known = candidate.item.path, entries.get(candidate.item.path)
            digest = hashlib.sha256(content or b"").digest()
            entry = ManifestEntry(candidate.label, digest, PIPELINE, candidate.item.etag)
            if known is not None and (known.digest, known.pipeline) == (digest, PIPELINE) and not options.full:
                read.touched.append((path, entry))
                continue
            try:
                with tracing.start_step("seed.document", {"salambot.bytes": len(content or b"")}):
                    read.ready.append(await self._parse(candidate.item, entry, content))
            except UnreadableDocumentError as reason:
                read.rejected.append((path, str(reason)))
        return read

    async def _content(self, item: StoredObject) -> bytes | None:
        """Read a document; one that is over the limit would only fill the memory."""
        return await self._objects.read(item.path) if item.size <= parsers.MAX_DOCUMENT_BYTES else None

    async def _parse(self, item: StoredObject, entry: ManifestEntry, content: bytes | None) -> IndexedDocument:
        parsers.refuse_large(item.size)
        if content is None:
            raise UnreadableDocumentError("it went while this ran")
        parsed = await self._parser.parse(item.path, content)
        document = parsed.document
        metadata = {**document.metadata, "source": entry.source}
        uri = self._objects.uri(item.path)
        return IndexedDocument(
            item.path, entry, document.title, uri, item.modified, metadata, parsed.chunks, document.warnings
        )

    async def _write(
        self, ready: Sequence[IndexedDocument], touched: Sequence[tuple[str, ManifestEntry]], options: Options
    ) -> None:
        texts = _texts(ready)
        if options.dry_run:
            known = set() if options.full else await self._embeddings.find_embedded(list(texts))
            self._report.embedded += len(texts.keys() - known)
            return
        if touched:
            await self._manifest.update_metadata(touched)
        if ready:
            await self._provide_vectors(texts, again=options.full)
            await self._manifest.commit(ready)

    async def _provide_vectors(self, texts: Mapping[bytes, str], *, again: bool = False) -> None:
        """Embed what is not embedded, and give the store what it lacks; in this order, so a crash repeats little."""
        digests = sorted(texts)  # the same order for all: two workers that write the same rows must not deadlock
        known = set() if again else await self._embeddings.find_embedded(digests)
        new = [digest for digest in digests if digest not in known]
        for part in _slices(new):
            vectors = await self._embedder.embed([texts[digest] for digest in part])
            await self._embeddings.save(part, vectors)
            self._report.embedded += len(part)
            self._announce("embedded", {"chunks": self._report.embedded})
        stored = set() if again else await self._embeddings.find_stored(digests)
        for part in _slices([digest for digest in digests if digest not in stored]):
            loaded, vectors = await self._embeddings.load(part)
            real = np.flatnonzero(vectors.any(axis=1)).tolist()  # a chunk of stop words only has no direction
            await self._store.upsert(self._tenant, [loaded[row] for row in real], vectors[real])
            await self._embeddings.mark_stored(part)
            self._report.upserted += len(part)
            self._announce("upserted", {"chunks": self._report.upserted})

    async def _remove(self, leftover: Sequence[str], entries: Mapping[str, ManifestEntry], options: Options) -> None:
        if options.prune is False or not leftover:
            return
        owned = sum(path not in entries or entries[path].source != SAMPLE for path in leftover)
        if options.prune is None and owned > self._report.seen:
            raise SeedRefusedError(
                "removals",
                f"this would remove {owned} documents, more than half of all",
                "--prune removes them, --no-prune keeps them",
            )
        self._report.removed = len(leftover)
        if not options.dry_run:
            for part in _slices(leftover):
                await self._manifest.remove(part)
            self._announce("removed", {"documents": len(leftover)})

    async def _fill_store(self) -> None:
        """Give the store what it lacks of the whole index: after a switch of stores, or a crash."""
        while chunks := await self._embeddings.find_pending(VECTOR_BATCH):
            await self._provide_vectors(dict(chunks))

    async def _sweep(self) -> None:
        """Delete the vectors that no chunk has any more."""
        while digests := await self._embeddings.find_orphans(VECTOR_BATCH):
            await self._store.delete(self._tenant, digests)
            await self._embeddings.delete(digests)
            self._report.deleted += len(digests)
            self._announce("swept", {"chunks": self._report.deleted})
        await self._embeddings.drop_unused()

    def _reject(self, path: str, reason: str) -> None:
        self._report.rejected.append({"path": path, "reason": reason})

    @property
    def _tenant(self) -> str:
        return self._manifest.tenant


def _document_report(document: IndexedDocument) -> DocumentReport:
    rows = sum(chunk.kind == "row" for chunk in document.chunks)
    return DocumentReport(
        path=document.path, passages=len(document.chunks), rows=rows, warnings=list(document.warnings)
    )


def _texts(ready: Iterable[IndexedDocument]) -> dict[bytes, str]:
    return {piece.digest: piece.embedded for document in ready for piece in document.chunks}


def _batches(candidates: Sequence[IndexCandidate]) -> Iterator[list[IndexCandidate]]:
    """Bound what is in memory at once, whatever the corpus."""
    batch: list[IndexCandidate] = []
    size = 0
    for candidate in candidates:
        if batch and (len(batch) >= BATCH_DOCUMENTS or size + candidate.item.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(candidate)
        size += candidate.item.size
    if batch:
        yield batch


def _slices(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    for start in range(0, len(items), VECTOR_BATCH):
        yield list(items[start : start + VECTOR_BATCH])
