"""The knowledge base: documents, their chunks, lexical postings, embeddings, and what each vector store holds."""

from alembic import op

from salambot.migrations.tenancy import enable_row_level_security

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the manifest, the text index and the local vector store."""
    _create_manifest()
    _create_text_index()
    _create_vectors()
    for table in ("index_state", "documents", "chunks", "postings", "embeddings", "vector_entries", "vectors"):
        enable_row_level_security(table)


def _create_manifest() -> None:
    op.execute(
        """
        CREATE TABLE index_state (
          tenant text PRIMARY KEY,
          version bigint NOT NULL DEFAULT 0,  -- counts visible changes: caches are keyed by it
          vector text,
          embedder text,
          dimensions int,
          documents int NOT NULL DEFAULT 0,
          chunks int NOT NULL DEFAULT 0,
          updated_at timestamptz NOT NULL DEFAULT now())"""
    )
    op.execute(
        """
        CREATE TABLE documents (
          tenant text NOT NULL,
          path text NOT NULL,          -- relative to the tenant's prefix in the object store
          source text NOT NULL,        -- the label it was seeded under
          digest bytea NOT NULL,       -- SHA-256 of its bytes
          pipeline text NOT NULL,      -- versions of parser, chunker and text analysis that made its chunks
          etag text,                   -- of the object: unchanged means that it need not be read again
          title text NOT NULL,
          uri text NOT NULL,
          updated_at timestamptz NOT NULL,
          PRIMARY KEY (tenant, path))"""
    )


def _create_text_index() -> None:
    op.execute(
        """
        CREATE TABLE chunks (
          tenant text NOT NULL,
          path text NOT NULL,
          number int NOT NULL,
          key bigint GENERATED ALWAYS AS IDENTITY,
          digest bytea NOT NULL,       -- SHA-256 of what is embedded: the key of its vector
          heading text NOT NULL,       -- the path of headings, joined by ' > '
          text text NOT NULL,
          language text NOT NULL,
          metadata jsonb NOT NULL DEFAULT '{}',
          terms text[] NOT NULL,
          PRIMARY KEY (tenant, path, number),
          FOREIGN KEY (tenant, path) REFERENCES documents ON DELETE CASCADE ON UPDATE CASCADE)"""
    )
    op.execute("CREATE INDEX chunks_digest ON chunks (tenant, digest)")
    op.execute("CREATE INDEX chunks_key ON chunks (tenant, key)")
    op.execute(
        """
        CREATE TABLE postings (
          tenant text NOT NULL,
          term text NOT NULL,
          chunk bigint NOT NULL,
          weight real NOT NULL,        -- BM25's saturated term frequency; the query multiplies it by the idf
          PRIMARY KEY (tenant, term, chunk) INCLUDE (weight))"""
    )


def _create_vectors() -> None:
    op.execute(
        """
        CREATE TABLE embeddings (
          tenant text NOT NULL,
          embedder text NOT NULL,
          digest bytea NOT NULL,
          embedding bytea NOT NULL,    -- IEEE 754 half precision, big-endian
          PRIMARY KEY (tenant, embedder, digest))"""
    )
    op.execute("ALTER TABLE embeddings ALTER embedding SET STORAGE EXTERNAL")
    op.execute(
        """
        CREATE TABLE vector_entries (
          tenant text NOT NULL,
          store text NOT NULL,         -- a vector store and its index; what is listed here was accepted by it
          digest bytea NOT NULL,
          PRIMARY KEY (tenant, store, digest))"""
    )
    op.execute(
        """
        CREATE TABLE vectors (
          tenant text NOT NULL,
          embedder text NOT NULL,
          digest bytea NOT NULL,
          embedding halfvec NOT NULL,
          PRIMARY KEY (tenant, embedder, digest))"""
    )
