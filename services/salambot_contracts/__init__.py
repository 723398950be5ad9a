"""Shared by the command and the services: pure modules without an SDK, so that both read a value alike."""
