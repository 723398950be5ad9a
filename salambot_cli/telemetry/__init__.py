"""Traces and dashboards of a stack."""
