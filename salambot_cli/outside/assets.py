"""Where `templates/` and `compose/` stand: inside the wheel, or beside the code in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def asset(name: str) -> Path:
    """Return the path of a shipped file or folder, such as `templates/kb`."""
    shipped = _PACKAGE / "_assets" / name
    return shipped if shipped.exists() else _PACKAGE.parent / name
