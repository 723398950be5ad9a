"""The object store of documents."""
