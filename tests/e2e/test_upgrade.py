"""`up` on a stack that an earlier release started: it is taken over, nothing is lost, and `down` ends all of it."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.stack import make_project

EARLIER = "c681fe11cae1"
"""The last commit whose supervisor spoke protocol 1."""


def test_up_takes_over_a_stack_of_an_earlier_release(tmp_path: Path, checkout: Path) -> None:
    packed = subprocess.run(
        ["git", "-c", "safe.directory=*", "archive", EARLIER, "salambot_cli", "services", "templates", "compose"],
        cwd=checkout, capture_output=True, check=False,
    )  # fmt: skip
    if packed.returncode != 0:
        pytest.skip("this checkout has no history")
    old = tmp_path / "old"
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(old, filter="data")
    project = make_project(tmp_path / "shop")
    path = os.pathsep.join((str(old), str(old / "services")))
    try:
        subprocess.run(
            [sys.executable, "-m", "salambot_cli", "up", "--quiet"],
            cwd=project.folder, env=os.environ | {"PYTHONPATH": path}, check=True, timeout=300,
        )  # fmt: skip
        plan = project.json("up", "--dry-run")["plan"]
        assert {c["because"] for c in plan if c["part"] != "migrate"} == {"started by an earlier release of SalamBot"}
        document = project.json("up")
        assert document["status"] == "ready"
        assert [step["status"] for step in document["steps"] if step["id"] == "seed"] == ["unchanged"], "data is kept"
        assert project.json("status")["pending"] == []
    finally:
        project.run("down")
    assert project.processes() == []
