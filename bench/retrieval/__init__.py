"""Retrieval quality: labelled questions over the sample knowledge base."""
