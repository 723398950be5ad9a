"""Compose secrets, for the libraries that read the process environment only (AWS, OpenTelemetry, OpenAI)."""

import os
from pathlib import Path

MOUNTED = Path("/run/secrets")


def load_mounted_secrets(folder: Path = MOUNTED) -> None:
    """Set each variable that has a file in `folder` and no value yet. They are visible to this process only."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_file() and not os.environ.get(path.name):
            os.environ[path.name] = path.read_text(encoding="utf-8")
