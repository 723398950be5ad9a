"""The tutorial, word for word: every command block of it, in an empty folder, against a cloud on this machine.

The French pages hold the same commands: tests/test_docs.py compares them.
"""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.command_lines import blocks
from tests.offline_cloud import SECRET, OfflineCloud, offline_cloud
from tests.stack import Project

SECONDS = 390
pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def _program(path: Path, *words: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)


@pytest.fixture
async def cloud() -> AsyncIterator[OfflineCloud]:
    """Return what T1, T2 and T3 need."""
    async with offline_cloud("127.0.0.1") as running:
        yield running


@pytest.fixture
def clone(checkout: Path) -> Path:
    """Return the clone, whose `.venv` is as its launcher makes it: it is not to be made again under running tests."""
    lock, project = ((checkout / name).read_bytes() for name in ("requirements.lock", "pyproject.toml"))
    made_from = (checkout / ".venv" / "made-from-requirements.lock").read_bytes()
    assert made_from == f"{checkout}\n".encode() + lock + project, "./test brings .venv up to date"
    return checkout


@pytest.fixture
def shell(cloud: OfflineCloud, tmp_path: Path, checkout: Path) -> dict[str, str]:
    """Return the environment of a newcomer's shell: a home, cloudflared on the PATH, an account in the cloud."""
    programs, home = tmp_path / "bin", tmp_path / "home"
    programs.mkdir()
    home.mkdir()
    _program(programs / "cloudflared", sys.executable, str(checkout / "tests" / "fakes" / "cloudflared.py"))
    return {
        **os.environ,
        **cloud.variables,
        "HOME": str(home),
        "PATH": f"{home}/.local/bin:{programs}:{os.environ['PATH']}",
        "SALAMBOT_RUNTIME": "process",
        "SALAMBOT_AWS_SECRET": SECRET,
        "SALAMBOT_POSTGRES_CA": str(cloud.ca),
        "SALAMBOT_REDIS_CA": str(cloud.ca),
        "SALAMBOT_ALLOW_INSECURE": "vector,objects,secrets,telemetry,llm",
        **{f"SALAMBOT_PORTS_{name}": "auto" for name in ("GATEWAY", "ORCHESTRATEUR", "NLU", "RAG")},
    }


async def test_every_block_of_the_tutorial_runs_from_the_installation_on(
    shell: dict[str, str], tmp_path: Path, clone: Path
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    installation, *rest = blocks((clone / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    said = [await _run(installation, clone, shell)]
    try:
        for block in rest:
            said.append(await _run(block, folder, shell))  # noqa: PERF401 - what ran is wanted when one fails
    finally:
        await _run("salambot down --yes", folder, shell)
    text = "\n".join(said)
    assert "Ibn Battouta" in text, "the answer from the newcomer's own document"
    assert "remboursement" in text
    assert Project(folder).processes() == []


async def test_every_block_of_the_readme_runs(shell: dict[str, str], tmp_path: Path, clone: Path) -> None:
    """By the launcher of the clone; `./test` is what runs this."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "salambot").symlink_to(clone / "salambot")
    said: list[str] = []
    try:
        for block in blocks((clone / "README.md").read_text(encoding="utf-8")):
            said.append(await _run(block.replace("./test\n", ""), folder, shell))  # noqa: PERF401 - as above
    finally:
        await _run("./salambot down --yes", folder, shell)
    assert "remboursement" in "\n".join(said)
    assert "/console" in said[-1]
    assert Project(folder).processes() == []


async def test_the_recipe_for_ci_runs(shell: dict[str, str], tmp_path: Path, clone: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (tmp_path / "bin" / "salambot").symlink_to(clone / "salambot")
    recipe, *_ = blocks((clone / "docs/how-to/ci.md").read_text(encoding="utf-8"))
    try:
        await _run(recipe, folder, shell)
    finally:
        await _run("salambot down --yes", folder, shell)
    assert json.loads((folder / "up.json").read_text())["status"] == "ready"
    assert ET.parse(folder / "smoke.xml").getroot().get("failures") == "0"
    assert json.loads((folder / "doctor.sarif").read_text())["version"] == "2.1.0"
    assert Project(folder).processes() == []


async def _run(block: str, folder: Path, shell: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-eu", "-c", block),
        cwd=folder,
        env=shell,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    text = output.decode()
    assert process.returncode == 0, f"{block}\n{text}"
    return text
