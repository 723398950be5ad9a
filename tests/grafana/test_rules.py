"""Rules and dashboards as files: made by the tool that makes them, and understood by Prometheus."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RULES = "templates/grafana/rules"


def test_they_are_as_the_tool_makes_them(checkout: Path) -> None:
    command = [sys.executable, "tools/dashboards.py", "--check"]
    assert subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False).stdout == ""


@pytest.mark.prometheus
def test_prometheus_takes_the_rules(checkout: Path) -> None:
    files = sorted(str(path) for path in (checkout / RULES).glob("*.yaml"))
    assert len(files) == 2
    command = ["promtool", "check", "rules", "--lint-fatal", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_the_alerts_fire_when_they_should(checkout: Path, tmp_path: Path) -> None:
    for path in (checkout / RULES).glob("*.yaml"):
        shutil.copy(path, tmp_path)
    shutil.copy(checkout / "tests/grafana/rules.test.yaml", tmp_path)
    command = ["promtool", "test", "rules", "rules.test.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
