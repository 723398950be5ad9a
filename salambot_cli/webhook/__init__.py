"""Test webhooks, and what became of received ones."""
