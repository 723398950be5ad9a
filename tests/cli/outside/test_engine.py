"""Each way in which a machine cannot run containers is told apart, with what fixes it."""

import os
from pathlib import Path

import pytest

from salambot_cli.docker.engine import inspect_engine

GOOD_ENGINE = """echo '"26.1.5"'"""
GOOD_COMPOSE = "echo 2.26.1-4"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is searched for commands before any other."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def stand_in(folder: Path, name: str, *, engine: str = GOOD_ENGINE, compose: str = GOOD_COMPOSE) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\ncase "$1" in\nversion) {engine} ;;\ncompose) {compose} ;;\nesac\n')
    path.chmod(0o755)


async def test_a_good_machine(docker: Path) -> None:
    stand_in(docker, "docker")
    engine = await inspect_engine()
    assert (engine.version, engine.compose, engine.problems) == ("26.1.5", "2.26.1-4", ())


@pytest.mark.parametrize(
    ("engine", "compose", "says", "mends"),
    [
        ("echo '\"23.0.1\"'", GOOD_COMPOSE, "engine 23.0.1 is too old, 24", "docs.docker.com"),
        (
            "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 1",
            GOOD_COMPOSE,
            "no Docker engine answers",
            "systemctl start docker",
        ),
        (
            "echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1",
            GOOD_COMPOSE,
            "no permission on Docker's socket",
            "usermod -aG docker",
        ),
        (GOOD_ENGINE, "echo \"'compose' is not a docker command\" >&2; exit 1", "Compose v2", "docker-compose-plugin"),
        (GOOD_ENGINE, "echo 1.29.2", "Compose v2", "docker-compose-plugin"),
    ],
)
async def test_each_trouble_is_named_with_its_fix(
    docker: Path, engine: str, compose: str, says: str, mends: str
) -> None:
    stand_in(docker, "docker", engine=engine, compose=compose)
    (problem,) = (await inspect_engine()).problems
    assert says in problem
    assert mends in problem


GONE = 'Failed to initialize: unable to resolve docker endpoint: context "colima": context not found: open meta.json'
SOCKET = (
    "Cannot connect to the Docker daemon at unix:///root/.colima/default/docker.sock. Is the docker daemon running?"
)


@pytest.mark.parametrize(
    ("says", "chosen", "fix"),
    [
        (GONE, "", "docker context use default"),
        (GONE, "DOCKER_CONTEXT", "unset DOCKER_CONTEXT"),
        (SOCKET, "", "docker context use default, or salambot up --runtime process"),
        ("error during connect: Get http://10.0.0.1:2375/v1/version: EOF", "DOCKER_HOST", "unset DOCKER_HOST, or"),
        ("Cannot connect at unix:///run/docker.sock. Is it running?", "", "sudo systemctl start docker"),
        ("docker: nothing known", "", "sudo systemctl start docker"),
    ],
)
async def test_an_engine_that_was_chosen_and_is_gone_has_its_own_fix(
    docker: Path, monkeypatch: pytest.MonkeyPatch, says: str, chosen: str, fix: str
) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.setenv(name, "colima") if name == chosen else monkeypatch.delenv(name, raising=False)
    stand_in(docker, "docker", engine=f"echo '{says}' >&2; exit 1")
    (problem,) = (await inspect_engine()).problems
    assert fix in problem
    assert says in problem, "the whole reason"
    assert ("systemctl" in fix) == ("systemctl" in problem)


async def test_compose_v1_only_is_told_from_no_compose(docker: Path) -> None:
    stand_in(docker, "docker", compose="exit 1")
    stand_in(docker, "docker-compose")
    (problem,) = (await inspect_engine()).problems
    assert "only Compose v1" in problem


async def test_all_troubles_in_one_report(docker: Path) -> None:
    stand_in(docker, "docker", engine="echo '\"20.10.5\"'", compose="exit 1")
    assert len((await inspect_engine()).problems) == 2


async def test_no_docker_at_all(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(docker))
    (problem,) = (await inspect_engine()).problems
    assert "not installed" in problem
    assert "--runtime process" in problem
    assert os.environ["PATH"] == str(docker)
