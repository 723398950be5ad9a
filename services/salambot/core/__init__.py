"""Shared building blocks of the services: settings, logs, tracing, metrics, problems, health, privacy, databases."""
