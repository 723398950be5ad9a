"""The location of `templates/` and `compose/`: inside the wheel, or in the checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def asset(name: str) -> Path:
    """Return the path of a shipped file or folder, such as `templates/kb`."""
    shipped = _PACKAGE / "_assets" / name
    return shipped if shipped.exists() else _PACKAGE.parent / name
