"""Fixtures that every test may use."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")

pytest_plugins = [
    "pytester",
    "tests.leaks",
    "tests.requirements",
    "tests.selection",
    "tests.servers",
    "tests.warm",
    "tests.stack",
]


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the top of this checkout."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def tracked_files(checkout: Path) -> list[str]:
    """Return every committed or added file, from the top of the checkout."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    answer = subprocess.run(listing, cwd=checkout, check=True, capture_output=True, text=True, timeout=30)
    return [name for name in answer.stdout.split("\0")[:-1] if (checkout / name).is_file()]
