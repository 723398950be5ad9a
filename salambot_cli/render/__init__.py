"""Rendered files: Compose, Kubernetes, policies, infrastructure."""
