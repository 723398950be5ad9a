"""Backups: the data and the configuration of an environment in one file, and back."""
