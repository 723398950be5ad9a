"""Fixtures of the end-to-end tests."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.compose_project import containers
from tests.stack import Project, command

BUILD_SECONDS = 500
"""What the first `up` of a machine may take, which builds the image."""
SERVICES = ("gateway", "orchestrateur", "nlu", "rag")


@pytest.fixture
def make_compose_project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Return a maker of projects; each is taken down with its data, and nothing of it may stay."""
    made: list[Project] = []

    def make(toml: str = "", ports: dict[str, int] | None = None) -> Project:
        folder = tmp_path / f"shop{len(made)}"
        folder.mkdir()
        (folder / "salambot.toml").write_text(with_compose(toml, ports or {}))
        made.append(Project(folder))
        return made[-1]

    yield make
    for project in made:
        subprocess.run(command("down", "--volumes", "--yes"), cwd=project.folder, capture_output=True, check=True)
        assert containers(project) == {}


@dataclass
class ComposeStack:
    """The one running Compose project of a session: tests change it, and `up` restores it."""

    project: Project
    first_up: dict[str, Any]
    """What the first `up --json` printed."""

    def restore(self) -> None:
        """Bring back what the tests of the session start from: every part runs, without a tunnel or variables."""
        assert self.project.json("up", "--no-seed", "--no-tunnel")["status"] == "ready"


@pytest.fixture(scope="session")
def compose_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """Start one Compose project for all tests that need one that runs."""
    folder = tmp_path_factory.mktemp("compose") / "shop"
    folder.mkdir()
    (folder / "salambot.toml").write_text(with_compose(""))
    project = Project(folder)
    try:
        yield ComposeStack(project, project.json("up", "--no-seed", seconds=BUILD_SECONDS))
    finally:
        subprocess.run(command("down", "--volumes", "--yes"), cwd=folder, capture_output=True, check=True)
    assert containers(project) == {}


@pytest.fixture
def compose_stack(compose_session: ComposeStack) -> Iterator[ComposeStack]:
    """Return the session's Compose project, which runs and is restored after the test."""
    yield compose_session
    compose_session.restore()


def with_compose(toml: str, ports: dict[str, int] | None = None) -> str:
    """Complete a `salambot.toml` for the Compose runtime on free ports."""
    chosen: dict[str, int | str] = {**dict.fromkeys(SERVICES, '"auto"'), **(ports or {})}
    lines = [f"{name} = {port}\n" for name, port in chosen.items()]
    return f'runtime = "compose"\n{toml}\n[ports]\n{"".join(lines)}'


@pytest.fixture(scope="module")
def cloudflared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a program that stands in for cloudflared."""
    program = tmp_path_factory.mktemp("bin") / "cloudflared"
    program.write_text(f"#!{sys.executable}\n" + (Path(__file__).parent.parent / "fakes/cloudflared.py").read_text())
    program.chmod(0o755)
    return program
