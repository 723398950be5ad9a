"""One file per command: parse, call, show. No logic."""

COMMANDS: dict[str, str] = {
    "init": "init",
    "up": "up",
    "status": "status",
    "chat": "chat",
    "seed": "seed",
    "smoke": "smoke",
    "logs": "logs",
    "doctor": "doctor",
    "render": "render",
    "token": "token",
    "config": "config",
    "down": "down",
}
"""Command -> its file, in the order of the help."""
