"""What goes wrong while containers start, run or stop: one cause named, and nothing of this run left."""

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.compose_project import containers, project_name
from tests.stack import Project

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
MakeProject = Callable[..., Project]


def wait_for(process: subprocess.Popen[str], step: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if (event.get("event"), event.get("id")) == ("step.started", step):
            return
    raise AssertionError(f"{step} never started: {process.communicate()}")


def test_a_container_that_ends_at_once(make_compose_project: MakeProject) -> None:
    project = make_compose_project()
    own = "services: {nlu: {entrypoint: [sh, -c, 'echo the disk is made of cheese >&2; exit 3']}}"
    (project.folder / "compose.local.yml").write_text(own)
    said = project.run("up", "--no-seed", status=1)
    assert "nlu did not start" in said.stderr
    assert "status 3" in said.stderr
    assert "the disk is made of cheese" in said.stderr
    assert containers(project) == {}


def test_a_container_that_never_becomes_healthy(make_compose_project: MakeProject) -> None:
    project = make_compose_project()
    (project.folder / "compose.local.yml").write_text(
        "services: {nlu: {entrypoint: [sleep], command: ['600'],"
        " healthcheck: {interval: 1s, retries: 2, start_period: 0s}}}"
    )
    said = project.run("up", "--no-seed", status=1)
    assert "nlu did not start" in said.stderr
    assert "health check keeps failing" in said.stderr
    assert containers(project) == {}


@pytest.mark.parametrize("step", ["start.image", "start.postgres", "start.rag"])
def test_an_interrupt_leaves_nothing(make_compose_project: MakeProject, step: str) -> None:
    project = make_compose_project()
    process = project.start("up", "--json-lines")
    wait_for(process, step)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert containers(project) == {}
    listing = ["docker", "network", "ls", "--format", "{{.Name}}"]
    networks = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    assert project_name(project) not in networks


def test_a_port_taken_between_the_check_and_the_start(make_compose_project: MakeProject) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    project = make_compose_project(ports={"gateway": port})
    process = project.start("up", "--json-lines", "--no-seed")
    wait_for(process, "prepare")
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        _, said = process.communicate(timeout=200)
    assert process.returncode == 1, said
    assert "gateway" in said
    assert str(port) in said
    assert containers(project) == {}


def test_a_port_taken_before_names_its_holder(make_compose_project: MakeProject) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        project = make_compose_project(ports={"gateway": holder.getsockname()[1]})
        said = project.run("up", "--no-seed", status=3).stderr
    assert f"pid {os.getpid()}" in said
    assert "auto" in said


def test_a_stale_stack_of_an_older_version_is_taken_away(make_compose_project: MakeProject) -> None:
    project = make_compose_project()
    project.state.mkdir(mode=0o700)
    name = project_name(project)
    labels = [f"com.docker.compose.project={name}", "com.docker.compose.service=console"]
    words = [word for label in labels for word in ("--label", label)]
    run = ["docker", "run", "--detach", "--name", f"{name}-console-1", *words, "redis:8"]
    subprocess.run(run, check=True, capture_output=True)
    assert project.json("down")["stopped"] == ["console"]


class FragileEngine:
    """A socket that passes everything on to the real engine, until `stop` makes the engine seem to be gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        self._ends = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect("/var/run/docker.sock")
                self._ends += (near, far)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=pair, daemon=True).start()

    def stop(self) -> None:
        self._path.unlink(missing_ok=True)
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_the_engine_stops_while_up_runs(make_compose_project: MakeProject, tmp_path: Path) -> None:
    project = make_compose_project()
    engine = FragileEngine(tmp_path / "engine.sock")
    try:
        process = project.start("up", "--json-lines", DOCKER_HOST=f"unix://{tmp_path}/engine.sock")
        wait_for(process, "start.migrate")
    finally:
        engine.stop()
    _, said = process.communicate(timeout=200)
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert "docker" in said.lower()
    project.run("down")
    assert containers(project) == {}
