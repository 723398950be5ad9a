"""Attacks on a listener, measured: how much memory a stranger can make it hold, and what it answers meanwhile."""
