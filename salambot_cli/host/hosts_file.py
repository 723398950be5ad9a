"""`/etc/hosts`: names that it answers for before any resolver is asked."""

from pathlib import Path

HOSTS = Path("/etc/hosts")
_MAX_BYTES = 4 * 1024 * 1024


def overrides(name: str, path: Path = HOSTS) -> tuple[int, str] | None:
    """Return the line number and the address that the file gives to a name; None where it does not hold it."""
    wanted = name.lower().rstrip(".")
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    for number, line in enumerate(text.splitlines(), start=1):
        address, *names = line.partition("#")[0].split() or [""]
        if wanted in (each.lower() for each in names):
            return number, address
    return None
