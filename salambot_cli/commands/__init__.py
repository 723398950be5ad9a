"""One file per command: parse, call, show. No logic."""
