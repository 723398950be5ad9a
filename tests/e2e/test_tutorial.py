"""The tutorial, word for word: every command block of it, in an empty folder, against a cloud on this machine."""

import asyncio
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.offline_cloud import SECRET, OfflineCloud, offline_cloud
from tests.stack import Project

SECONDS = 170
pytestmark = pytest.mark.timeout(900)


def blocks(page: Path) -> list[str]:
    """Return the command blocks of a page."""
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def _program(path: Path, *words: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)


@pytest.fixture
async def cloud() -> AsyncIterator[OfflineCloud]:
    """Return what T1, T2 and T3 need."""
    async with offline_cloud("127.0.0.1") as running:
        yield running


@pytest.fixture
def shell(cloud: OfflineCloud, tmp_path: Path, checkout: Path) -> dict[str, str]:
    """Return the environment of a newcomer's shell: two programs on the PATH, an account in the cloud."""
    programs = tmp_path / "bin"
    programs.mkdir()
    _program(programs / "salambot", sys.executable, "-m", "salambot_cli")
    _program(programs / "cloudflared", sys.executable, str(checkout / "tests" / "fakes" / "cloudflared.py"))
    return {
        **os.environ,
        **cloud.variables,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": f"{checkout}:{checkout / 'services'}",
        "SALAMBOT_RUNTIME": "process",
        "SALAMBOT_AWS_SECRET": SECRET,
        "SALAMBOT_POSTGRES_CA": str(cloud.ca),
        "SALAMBOT_REDIS_CA": str(cloud.ca),
        "SALAMBOT_ALLOW_INSECURE": "vector,objects,secrets,telemetry,llm",
        **{f"SALAMBOT_PORTS_{name}": "auto" for name in ("GATEWAY", "ORCHESTRATEUR", "NLU", "RAG")},
    }


@pytest.mark.parametrize("page", ["tutorial.md", "fr/tutoriel.md"])
async def test_every_block_of_the_tutorial_runs(
    page: str, shell: dict[str, str], tmp_path: Path, checkout: Path
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    said: list[str] = []
    try:
        for block in blocks(checkout / "docs" / page):
            said.append(await _run(block, folder, shell))  # noqa: PERF401 - what ran is wanted when one fails
    finally:
        await _run("salambot down --yes", folder, shell)
    text = "\n".join(said)
    assert "Ibn Battouta" in text, "the answer from the newcomer's own document"
    assert "remboursement" in text
    assert Project(folder).processes() == []


@pytest.mark.parametrize("name", ["README.md", "README.fr.md"])
async def test_every_block_of_the_readmes_runs(
    name: str, shell: dict[str, str], tmp_path: Path, checkout: Path
) -> None:
    """`./salambot` of a clone is the same command; `./test` is what runs this."""
    folder = tmp_path / "shop"
    folder.mkdir()
    said: list[str] = []
    try:
        for block in blocks(checkout / name):
            typed = "\n".join(line.removeprefix("./") for line in block.splitlines() if line != "./test")
            said.append(await _run(typed, folder, shell))
    finally:
        await _run("salambot down --yes", folder, shell)
    assert "remboursement" in "\n".join(said)
    assert "/console" in said[-1]
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
