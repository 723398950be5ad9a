"""bandit over the code: what it finds is either fixed, or marked in place with the rule and the reason."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_bandit_finds_nothing_that_is_not_explained(checkout: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bandit",
        "-q",
        "-r",
        "salambot_cli",
        "services/salambot",
        "services/salambot_contracts",
        "-ll",
        "-f",
        "json",
    ]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=300, check=False)
    report = json.loads(done.stdout)
    assert report["errors"] == []
    open_findings = [
        f"{found['filename']}:{found['line_number']}: {found['issue_text']}"
        for found in report["results"]
        if not _is_explained(checkout / found["filename"], found["line_range"], found["test_id"].replace("B", "S", 1))
    ]
    assert open_findings == []


def _is_explained(file: Path, lines: list[int], rule: str) -> bool:
    text = file.read_text().splitlines()[min(lines) - 1 : max(lines) + 1]
    return any(f"noqa: {rule}" in line or (f" {rule}" in line and "noqa:" in line) for line in text)
