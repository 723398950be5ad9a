"""What runs is never stopped by mistake: a run that fails or is interrupted leaves the stack as it found it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import free_port
from tests.stack import Project, make_project

pytestmark = pytest.mark.xdist_group("kept-stack")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = make_project(tmp_path_factory.mktemp("shop"))
    project.run("up", "--no-seed")
    yield project
    project.run("down")
    assert project.processes() == []


def pids(project: Project) -> dict[str, int]:
    """Return the process of each part."""
    document = project.json("status")
    assert document["status"] == "ready"
    parts = {**document["services"], **document["components"], "worker": document["worker"]}
    return {name: part["pid"] for name, part in parts.items() if part.get("pid")}


@pytest.fixture
def unchanged(project: Project) -> Iterator[None]:
    """Hold a test to its promise: the same processes run when it is over."""
    before = pids(project)
    assert {"postgres", "redis", "gateway", "worker"} <= {*before}
    yield
    assert pids(project) == before
    assert project.json("up", "--dry-run")["plan"]
    assert {c["action"] for c in project.json("up", "--dry-run")["plan"] if c["part"] != "migrate"} == {"keep"}


def without(program: str) -> str:
    """Return a PATH on which a program is missing."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not shutil.which(program, path=folder))


@pytest.mark.usefixtures("unchanged")
def test_a_missing_program_is_found_before_anything_is_touched(project: Project) -> None:
    done = project.run("up", "--tunnel", status=3, PATH=without("cloudflared"))
    assert "cloudflared is not installed" in done.stderr


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("seconds", [0.2, 1, 2])
def test_an_interrupt_leaves_what_ran_before(project: Project, seconds: float) -> None:
    with project.start("up", "--port", "rag=auto") as run:
        try:
            _, said = run.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGINT)
            _, said = run.communicate(timeout=180)
    assert "Traceback" not in said
    assert run.returncode in {0, 130, -signal.SIGINT}, said  # the last before Python is there


def test_an_interrupt_while_a_part_moves_touches_no_other(project: Project) -> None:
    before, wish = pids(project), ("--port", f"rag={free_port()}")
    moved = {c["part"] for c in project.json("up", "--dry-run", *wish)["plan"] if c["action"] != "keep"}
    assert "rag" in moved
    assert not moved & {"postgres", "redis", "nlu"}
    with project.start("up", "--no-seed", *wish, "--json-lines") as run:
        assert run.stdout is not None
        next(line for line in run.stdout if "start." in line)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=180)
    assert "Traceback" not in said
    assert run.returncode == 130, said
    assert {name: pid for name, pid in pids(project).items() if name not in moved} == {
        name: pid for name, pid in before.items() if name not in moved
    }
    assert {c["action"] for c in project.json("up", "--dry-run")["plan"] if c["part"] != "migrate"} == {"keep"}


CLOUD = {
    "SALAMBOT_PLACEMENT_POSTGRES": "cloud",
    "POSTGRES_URL": "postgres://shop:rds-pw-2@127.0.0.1:1/shop?sslmode=verify-full",
}
FAILURES = {
    "a typo in .env": (2, {}, 'OPENAI_API_KEY="never closed\n'),
    "an unknown key": (2, {"SALAMBOT_PLACEMENT_VECTOR": "pinecon"}, ""),
    "missing variables": (2, {"SALAMBOT_PLACEMENT_POSTGRES": "cloud"}, ""),
    "a certificate that is not there": (3, {**CLOUD, "SALAMBOT_POSTGRES_CA": "/nonexistent.pem"}, ""),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_leaves_what_ran_before(project: Project, name: str) -> None:
    status, environ, dotenv = FAILURES[name]
    file = project.folder / ".env"
    file.touch(mode=0o600)
    file.write_text(dotenv)
    try:
        done = project.run("up", "--no-seed", status=status, **environ)
    finally:
        file.unlink()
    assert "Future exception" not in done.stderr


def test_what_does_not_start_goes_back_to_what_it_was(project: Project) -> None:
    before = pids(project)
    said = project.run("up", "--no-seed", status=1, WORKER_CONCURRENCY="many").stderr
    assert "worker did not start" in said
    after = pids(project)
    assert {name: pid for name, pid in after.items() if name != "worker"} == {
        name: pid for name, pid in before.items() if name != "worker"
    }
    assert {c["action"] for c in project.json("up", "--dry-run")["plan"] if c["part"] != "migrate"} == {"keep"}


@pytest.mark.usefixtures("unchanged")
def test_a_second_signal_kills_only_what_this_run_launched(project: Project) -> None:
    with project.start("up", "--port", f"nlu={free_port()}", "--json-lines") as run:
        assert run.stdout is not None
        next(line for line in run.stdout if "start." in line)
        for _ in range(2):
            run.send_signal(signal.SIGINT)
        run.communicate(timeout=180)
    project.run("up", "--no-seed")
    # What was moved has moved back, under the same supervisor.


@pytest.mark.usefixtures("unchanged")
def test_a_port_that_is_taken_is_found_before_anything_is_touched(project: Project, tmp_path: Path) -> None:
    import socket

    del tmp_path
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        said = project.run("up", "--no-seed", "--port", f"gateway={port}", status=3).stderr
    assert f"port {port} of gateway is taken by pid {os.getpid()}" in said
    assert "gateway runs on at" in said


def test_the_plan_says_what_changes_and_status_compares(project: Project) -> None:
    plan = {c["part"]: (c["action"], c["because"]) for c in project.json("up", "--dry-run", LOG_LEVEL="DEBUG")["plan"]}
    assert plan["postgres"] == ("keep", "")
    assert plan["gateway"] == ("restart", "variable LOG_LEVEL is new")
    pending = project.json("status", LOG_LEVEL="DEBUG")["pending"]
    assert project.json("render", "--diff", LOG_LEVEL="DEBUG")["pending"] == pending
    assert {change["part"] for change in pending} == {"gateway", "orchestrateur", "nlu", "rag", "worker"}
    said = project.run("status", LOG_LEVEL="DEBUG")
    assert "configuration changed" in said.stdout + said.stderr
    assert project.json("status")["pending"] == []


def test_a_dry_run_lists_what_is_missing_and_changes_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path, 'topology = "t1"\n')
    document = project.json("up", "--dry-run", status=2)
    assert {entry["name"] for entry in document["missing"]} >= {"POSTGRES_URL", "REDIS_URL", "PINECONE_API_KEY"}
    assert {change["action"] for change in document["plan"]} == {"start"}
    assert not project.state.exists()
