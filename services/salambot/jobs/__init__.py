"""Batch jobs, each started as `python -m salambot.jobs.NAME`."""
