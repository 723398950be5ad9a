"""The developer console at `/console`: chat, status, findings, webhooks.

Fragments render here; a small script refreshes them.
"""
