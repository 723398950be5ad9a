"""`auto` takes Compose where an engine answers, else plain processes, and says which and why."""

import socket
from pathlib import Path

import pytest

from tests.stack import Project

PLAN = ("up", "--dry-run", "--json")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "salambot.toml").write_text('tenant = "demo"\n')
    return Project(tmp_path)


def docker(folder: Path, script: str) -> str:
    """Put a stand-in for docker before everything else; return the PATH."""
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"


def test_an_engine_means_compose(project: Project, tmp_path: Path) -> None:
    path = docker(tmp_path, """case "$*" in compose\\ version*) echo 2.26.1 ;; *version*) echo '"26.1.5"' ;; esac""")
    said = project.run(*PLAN, PATH=path)
    assert '"runtime": "compose"' in said.stdout
    assert "Docker engine 26.1.5 answers" in said.stderr


def test_no_engine_means_processes(project: Project, tmp_path: Path) -> None:
    path = docker(tmp_path, "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    said = project.run(*PLAN, PATH=path)
    assert '"runtime": "process"' in said.stdout
    assert "no Docker engine answers" in said.stderr


def test_compose_without_an_engine_is_a_missing_prerequisite(project: Project, tmp_path: Path) -> None:
    path = docker(tmp_path, "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    said = project.run("up", "--runtime", "compose", PATH=path, status=3)
    assert "no Docker engine answers" in said.stderr
    assert "systemctl start docker" in said.stderr
    assert "docker-compose-plugin" in said.stderr, "all that is missing, in one report"


def test_git_and_a_taken_port_stand_in_one_report(project: Project, tmp_path: Path) -> None:
    path = docker(tmp_path, """case "$1" in version) echo '"26.1.5"' ;; compose) echo 2.26.1 ;; esac""")
    only_docker = path.partition(":")[0]
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        ports = ("--port", f"gateway={port}", "--port", f"postgres={port}", "--port", f"worker={port}")
        said = project.run("up", "--runtime", "compose", *ports, PATH=only_docker, status=3).stderr
    assert "git is not installed" in said
    assert "apt-get install git" in said
    assert f"port {port} of gateway is taken" in said
    assert f"port {port} of postgres is taken" in said
    assert "of worker" not in said, "no port of this machine leads to its container"
    assert "local.prereq" in said, "the doctor's finding of the same"
