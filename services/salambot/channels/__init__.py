"""Webhook channels, one file each."""
