"""Secrets: push, pull, rotate, ages."""
