"""What goes wrong on a developer's machine while a stack starts, runs or stops."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import psutil
import pytest

from tests.servers import free_port
from tests.stack import Project, command, make_project

pytestmark = pytest.mark.stack
STEPS = (
    "host.check",
    "prepare",
    "start.postgres",
    "start.redis",
    "start.migrate",
    "start.rag",
    "start.gateway",
    "seed",
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = make_project(tmp_path / "shop")
    yield project
    project.run("down", status=None)
    assert project.processes() == []


def wait_for(process: subprocess.Popen[str], step: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if (event.get("event"), event.get("id")) == ("step.started", step):
            return
    raise AssertionError(f"{step} never started: {process.communicate()}")


@pytest.mark.parametrize(("step", "number"), [*zip(STEPS, cycle([signal.SIGINT, signal.SIGTERM]), strict=False)])
def test_interrupt_in_each_step_leaves_nothing(project: Project, step: str, number: signal.Signals) -> None:
    process = project.start("up", "--json-lines")
    wait_for(process, step)
    process.send_signal(number)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert project.processes() == []
    assert not project.state.exists()


def test_second_signal_kills_at_once(project: Project) -> None:
    process = project.start("up", "--json-lines")
    wait_for(process, "start.rag")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    psutil.wait_procs(project.processes(), timeout=60)
    assert project.processes() == []


def test_taken_port_names_its_holder_and_the_way_out(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        said = project.run("up", "--port", f"nlu={port}", status=3).stderr
        assert f"port {port} of nlu is taken by pid {os.getpid()}" in said
        assert "--port nlu=auto" in said
    assert project.processes() == []


def test_killed_stack_comes_back_with_its_data(project: Project) -> None:
    project.run("up")
    for process in project.processes():
        with contextlib.suppress(psutil.NoSuchProcess):  # its parent's death was quicker
            process.kill()
    psutil.wait_procs(project.processes(), timeout=60)
    document = project.json("up")
    assert document["status"] == "ready"
    assert [step["status"] for step in document["steps"] if step["id"] == "seed"] == ["unchanged"]
    assert project.json("smoke")["status"] == "pass"


def test_killed_command_leaves_a_stack_that_the_next_one_completes(project: Project) -> None:
    process = project.start("up", "--no-seed", "--json-lines")
    wait_for(process, "start.rag")
    process.kill()
    process.communicate()
    assert project.json("up", "--no-seed")["status"] == "ready"


def test_two_at_once_end_in_one_stack(project: Project) -> None:
    first, second = project.start("up", "--no-seed", "--json"), project.start("up", "--no-seed", "--json")
    outputs = [process.communicate(timeout=300) for process in (first, second)]
    codes = sorted([first.returncode, second.returncode])
    assert codes in ([0, 0], [0, 1]), outputs
    if codes == [0, 1]:
        assert "holds the lock" in "".join(errors for _, errors in outputs)
    assert project.json("status")["status"] == "ready"


def test_damaged_state_is_found_again(project: Project) -> None:
    project.run("up", "--no-seed")
    (project.state / "state.json").write_text("{ damaged")
    assert project.json("up", "--no-seed")["status"] == "ready"


def test_data_of_another_version_is_refused_in_words(project: Project) -> None:
    project.run("up", "--no-seed")
    project.run("down")
    (project.state / "data" / "postgres" / "PG_VERSION").write_text("9\n")
    said = project.run("up", status=3).stderr
    assert "made by PostgreSQL 9" in said
    assert "salambot down --volumes" in said
    project.run("down", "--volumes", "--yes")
    assert project.json("up", "--no-seed")["status"] == "ready"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_unwritable_folder_is_said_by_an_ordinary_user(project: Project) -> None:
    project.folder.chmod(0o500)
    try:
        assert "cannot write" in project.run("up", status=3).stderr
    finally:
        project.folder.chmod(0o700)


def test_state_that_is_a_file_is_refused_in_words(project: Project) -> None:
    project.state.write_text("in the way")
    assert "cannot write" in project.run("up", status=3).stderr
    project.state.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_a_name_is_told_what_postgres_misses(project: Project) -> None:
    """As in a container that is started with a bare number. Reading everything stands for a readable installation."""
    project.folder.chmod(0o777)
    nobody = ["setpriv", "--reuid=54321", "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    up = subprocess.run(
        [*nobody, *command("up", "--runtime", "process")],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert up.returncode == 3
    assert "PostgreSQL does not run as user 54321" in up.stderr
    assert "useradd --uid 54321" in up.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_full_disk_is_said_before_anything_starts(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(mount)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("no mount here")
    try:
        project = make_project(mount / "shop")
        said = project.run("up", status=3).stderr
        assert "MiB left" in said
        assert {path.name for path in project.state.iterdir()} == {".gitignore", "lock"}
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_down_twice_is_fine_and_leaves_no_port(project: Project) -> None:
    document = project.json("up", "--no-seed")
    ports = [int(service["url"].rsplit(":", 1)[1]) for service in document["services"].values()]
    assert set(project.json("down")["stopped"]) >= {"gateway", "postgres", "redis"}
    assert project.json("down")["stopped"] == []
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert project.json("status")["status"] == "down"


def test_foreground_stays_and_stops_everything_on_interrupt(project: Project) -> None:
    process = project.start("up", "--foreground", "--no-seed")
    assert process.stdout is not None
    for line in process.stdout:  # logs stream on standard output once all is ready
        if "gateway" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=180)
    assert process.returncode == 130
    assert project.processes() == []


def test_failed_start_shows_the_last_lines_of_the_one_that_failed(project: Project) -> None:
    project.run("up", "--no-seed")
    project.run("down")
    (project.state / "data" / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
    said = project.run("up", status=1).stderr
    assert "postgres did not start" in said
    assert "no_such_setting" in said
    assert project.processes() == []


def test_timeout_undoes_and_names_what_was_missing(project: Project) -> None:
    began = time.monotonic()
    said = project.run("up", "--timeout", "1", status=1).stderr
    assert "not ready after 1 s" in said
    assert re.search(r"still to come: .*\b(prepare|start\.gateway)\b", said), (
        said
    )  # a busy machine has not prepared yet
    assert time.monotonic() - began < 60
    assert project.processes() == []


def test_failed_start_names_the_cause_in_the_cloud(project: Project) -> None:
    dotenv = project.folder / ".env"
    dotenv.write_text(f"POSTGRES_URL=postgres://user:sentinel@127.0.0.1:{free_port()}/x?sslmode=verify-full\n")
    dotenv.chmod(0o600)
    done = project.run("up", "--topology", "local", status=1, SALAMBOT_PLACEMENT_POSTGRES="cloud")
    assert "net.refused" in done.stderr
    assert "migrate did not start" in done.stderr
    assert "sentinel" not in done.stdout + done.stderr
    assert project.processes() == []
