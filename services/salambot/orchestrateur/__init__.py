"""Coordination: the conversation, retrieval, then generation."""
