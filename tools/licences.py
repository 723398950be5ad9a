"""Which licence each locked package has; ends with 1 when one is copyleft or unknown: what is shipped stays MIT."""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PIN = re.compile(r"^([a-z0-9-]+)(?:\[.*?\])?==", re.MULTILINE)
_COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )\bA?GPL|(?<!Lesser )General Public License|Affero|SSPL|BUSL", re.IGNORECASE)
_LESSER = re.compile(r"LGPL|Lesser", re.IGNORECASE)
"""Used as a library, unchanged and replaceable: that is allowed."""
_KNOWN_BY_READING: dict[str, str] = {}
"""Packages whose metadata says nothing, with what their own licence file says."""


def licence_of(package: Distribution) -> str:
    """Return what the metadata says: the expression, else the classifiers, else the free text."""
    about = package.metadata
    classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if "License ::" in line]
    found = about.get("License-Expression") or ", ".join(classifiers) or about.get("License") or ""
    return found.strip().splitlines()[0] if found.strip() else ""


def licences(lock: Path) -> dict[str, str]:
    """Return package -> licence for each locked package that is installed here."""
    found: dict[str, str] = {}
    for name in sorted(set(_PIN.findall(lock.read_text()))):
        try:
            found[name] = licence_of(distribution(name)) or _KNOWN_BY_READING.get(name, "")
        except PackageNotFoundError:  # another system's or Python's
            continue
    return found


def refused(found: dict[str, str]) -> dict[str, str]:
    """Return what may not be shipped."""
    return {
        name: licence or "unknown"
        for name, licence in found.items()
        if not licence or (_COPYLEFT.search(licence) and not _LESSER.search(licence))
    }


def main() -> None:
    """Print one line a package."""
    found = licences(_ROOT / "requirements.lock")
    for name, licence in found.items():
        print(f"{name:<45} {licence}")
    wrong = refused(found)
    for name, licence in wrong.items():
        print(f"REFUSED: {name}: {licence}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
