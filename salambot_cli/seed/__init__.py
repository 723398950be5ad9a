"""Seeding the knowledge base."""
