"""The manifest of indexed documents and their digests; it makes seeding incremental and exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from salambot.core.database import Connection, Pool, tenant_transaction
from salambot.knowledge.chunks import Chunk


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """The manifest entry of a document."""

    source: str
    digest: bytes
    pipeline: str
    etag: str


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A document that is ready to be committed, with its chunks in order."""

    path: str
    entry: ManifestEntry
    title: str
    uri: str
    updated_at: datetime
    metadata: dict[str, str]
    chunks: Sequence[Chunk]
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """How the tenant's index was made last; None before the first run."""

    version: int
    vector: str | None
    embedder: str | None
    dimensions: int | None


class Manifest:
    """One tenant's manifest. Each method is one transaction; each change a reader can see raises the version."""

    def __init__(self, pool: Pool, tenant: str) -> None:
        self._pool = pool
        self.tenant = tenant

    async def entries(self, paths: Sequence[str] | None = None) -> dict[str, ManifestEntry]:
        """Return all documents by path, or those of `paths`: about 250 bytes of memory each."""
        async with tenant_transaction(self._pool, self.tenant) as rows:
            found = await rows.fetch(
                "SELECT path, source, digest, pipeline, etag FROM documents "
                "WHERE tenant = $1 AND ($2::text[] IS NULL OR path = ANY($2))",
                self.tenant,
                paths,
            )
        return {
            row["path"]: ManifestEntry(row["source"], row["digest"], row["pipeline"], row["etag"] or "")
            for row in found
        }

    async def head(self) -> IndexVersion:
        """Return how the index was made."""
        async with tenant_transaction(self._pool, self.tenant) as rows:
            row = await rows.fetchrow(
                "SELECT version, vector, embedder, dimensions FROM index_state WHERE tenant = $1", self.tenant
            )
        return IndexVersion(*row) if row is not None else IndexVersion(0, None, None, None)

    async def commit(self, documents: Sequence[IndexedDocument]) -> None:
        """Replace these documents at once: a reader sees all of a document as it was, or all of it as it is."""
        async with tenant_transaction(self._pool, self.tenant) as rows:
            await self._delete(rows, [document.path for document in documents])
            await rows.execute(_INSERT_DOCUMENTS, self.tenant, orjson.dumps(_documents(documents)).decode())
            await rows.execute(_INSERT_CHUNKS, self.tenant, orjson.dumps(_chunks(documents)).decode())
            await self._raise_version(rows)

    async def update_metadata(self, entries: Sequence[tuple[str, ManifestEntry]]) -> None:
        """Remember new etags and sources of documents whose content did not change."""
        async with tenant_transaction(self._pool, self.tenant) as rows:
            await rows.executemany(
                "UPDATE documents SET etag = $3, source = $4 WHERE tenant = $1 AND path = $2",
                [(self.tenant, path, entry.etag, entry.source) for path, entry in entries],
            )

    async def remove(self, paths: Sequence[str]) -> None:
        """Remove documents with their chunks; their vectors become unused."""
        async with tenant_transaction(self._pool, self.tenant) as rows:
            await self._delete(rows, paths)
            await self._raise_version(rows)

    async def commit_version(self, vector: str, embedder: str, dimensions: int) -> int:
        """Record how the index is made now; return its version."""
        async with tenant_transaction(self._pool, self.tenant) as rows:
            return int(await rows.fetchval(_FINISH, self.tenant, vector, embedder, dimensions))

    async def _delete(self, rows: Connection, paths: Sequence[str]) -> None:
        await rows.execute(_DELETE_POSTINGS, self.tenant, list(paths))
        await rows.execute("DELETE FROM documents WHERE tenant = $1 AND path = ANY($2)", self.tenant, list(paths))

    async def _raise_version(self, rows: Connection) -> None:
        await rows.execute(_RAISE_VERSION, self.tenant)


def _documents(documents: Sequence[IndexedDocument]) -> list[dict[str, object]]:
    return [
        {
            "path": document.path,
            "source": document.entry.source,
            "digest": document.entry.digest.hex(),
            "pipeline": document.entry.pipeline,
            "etag": document.entry.etag,
            "title": document.title,
            "uri": document.uri,
            "updated_at": document.updated_at.isoformat(),
        }
        for document in documents
    ]


def _chunks(documents: Sequence[IndexedDocument]) -> list[dict[str, object]]:
    return [
        {
            "path": document.path,
            "number": chunk.number,
            "digest": chunk.digest.hex(),
            "heading": chunk.heading,
            "text": chunk.text,
            "language": chunk.language,
            "metadata": {**document.metadata, "kind": chunk.kind} if chunk.kind != "text" else document.metadata,
            "terms": list(chunk.weights),
            "weights": chunk.weights,
        }
        for document in documents
        for chunk in document.chunks
    ]


_INSERT_DOCUMENTS = """
    INSERT INTO documents (tenant, path, source, digest, pipeline, etag, title, uri, updated_at)
    SELECT $1, path, source, decode(digest, 'hex'), pipeline, etag, title, uri, updated_at
    FROM jsonb_to_recordset($2::jsonb) AS given(path text, source text, digest text, pipeline text, etag text,
      title text, uri text, updated_at timestamptz)"""
_INSERT_CHUNKS = """
    WITH given AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($2::jsonb) AS given(path text, number int, digest text, heading text,
        text text, language text, metadata jsonb, terms text[], weights jsonb)
    ), inserted AS (
      INSERT INTO chunks (tenant, path, number, digest, heading, text, language, metadata, terms)
      SELECT $1, path, number, decode(digest, 'hex'), heading, text, language, metadata, terms FROM given
      RETURNING path, number, key)
    INSERT INTO postings (tenant, term, chunk, weight)
    SELECT $1, posting.key, inserted.key, posting.value::real
    FROM inserted JOIN given USING (path, number), jsonb_each_text(given.weights) AS posting"""
_DELETE_POSTINGS = """
    DELETE FROM postings USING chunks, unnest(chunks.terms) AS indexed
    WHERE chunks.tenant = $1 AND chunks.path = ANY($2)
      AND postings.tenant = $1 AND postings.term = indexed AND postings.chunk = chunks.key"""
_RAISE_VERSION = """
    INSERT INTO index_state (tenant, version, documents, chunks)
    SELECT $1, 1, (SELECT count(*) FROM documents WHERE tenant = $1), (SELECT count(*) FROM chunks WHERE tenant = $1)
    ON CONFLICT (tenant) DO UPDATE
    SET version = index_state.version + 1, documents = excluded.documents, chunks = excluded.chunks,
      updated_at = now()"""
_FINISH = """
    INSERT INTO index_state (tenant, version, vector, embedder, dimensions, documents, chunks)
    SELECT $1, 1, $2, $3, $4, (SELECT count(*) FROM documents WHERE tenant = $1),
      (SELECT count(*) FROM chunks WHERE tenant = $1)
    ON CONFLICT (tenant) DO UPDATE
    SET vector = $2, embedder = $3, dimensions = $4, updated_at = now(), documents = excluded.documents,
      chunks = excluded.chunks, version = index_state.version
      + ((index_state.vector, index_state.embedder) IS DISTINCT FROM ($2, $3))::int
    RETURNING version"""
