"""`up` on a stack that an earlier release started: it is taken over, nothing is lost, and `down` ends all of it."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.stack import make_project
from tools.make_venv import FROM_PIP

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
    _install(old / "libraries", "limits>=5.2,<6")  # it needs what the lock has no longer
    project = make_project(tmp_path / "shop")
    path = os.pathsep.join(str(old / folder) for folder in ("", "services", "libraries"))
    try:
        subprocess.run(
            [sys.executable, "-m", "salambot_cli", "up", "--quiet"],
            cwd=project.folder, env=os.environ | {"PYTHONPATH": path}, check=True, timeout=390,
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


def _install(folder: Path, requirement: str) -> None:
    """Install a package and what it needs, from the registry that the machine uses."""
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    assert uv is not None, "tools/make_venv.py installs it"
    registry = {name: os.environ[of_pip] for name, of_pip in FROM_PIP.items() if of_pip in os.environ}
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder), requirement]
    subprocess.run(command, env=os.environ | registry, check=True, timeout=390)
