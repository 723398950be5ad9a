"""What is committed speaks of the project alone: no host of a registry, no path of a machine, no credential."""

import re
from pathlib import Path

import pytest

FORBIDDEN = {
    "the host of a package registry": r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|deb\.debian\.org)\b",
    "a path of one machine": r"(?<![\w.$~}-])/(?:root|work|Users/\w+|home/(?!salambot\b)\w+)/\w",
    "an AWS access key": r"\b(?:AKIA|ASIA)(?!IOSFODNN7EXAMPLE)[0-9A-Z]{16}\b",
    "a private key": r"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----\n[A-Za-z0-9+/]",
    "an API key": r"\b(?:sk-(?:proj-)?[A-Za-z0-9]{32,}|ghp_[A-Za-z0-9]{36}|xox[bp]-[0-9]{10,})",
    "a merge left open": r"^(?:<{7}|>{7}) ",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_committed_holds(what: str, checkout: Path, tracked_files: list[str]) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [
        f"{name}: {match.group()}"
        for name in tracked_files
        if checkout / name != Path(__file__)
        for match in pattern.finditer((checkout / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
