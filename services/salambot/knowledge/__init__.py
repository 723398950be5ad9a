"""The knowledge base in Postgres: chunks, the seed job's manifest, and the text index that rag searches."""
