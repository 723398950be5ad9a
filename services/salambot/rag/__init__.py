"""Retrieval: hybrid search over a tenant's own documents."""
