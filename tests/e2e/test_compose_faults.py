"""What goes wrong while containers start, run or stop: one cause named, and nothing of this run left."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
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
    said = project.run("up", "nlu", "--no-seed", status=1)
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
    said = project.run("up", "nlu", "--no-seed", status=1)
    assert "nlu did not start" in said.stderr
    assert "health check keeps failing" in said.stderr
    assert containers(project) == {}


@pytest.mark.parametrize("step", ["start.image", "start.postgres", "start.rag"])
def test_an_interrupt_leaves_nothing(make_compose_project: MakeProject, step: str) -> None:
    project = make_compose_project()
    process = project.start("up", "--json-lines")
    wait_for(process, step)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
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
    process = project.start("up", "gateway", "--json-lines", "--no-seed")
    wait_for(process, "prepare")
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        _, said = process.communicate(timeout=300)
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


def start_stale(project: Project, service: str) -> None:
    """Start a container as an older version might have: of the project, and nothing like ours."""
    name = project_name(project)
    labels = {
        "com.docker.compose.project": name,
        "com.docker.compose.service": service,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": "of-another-time",
    }
    words = [word for label, value in labels.items() for word in ("--label", f"{label}={value}")]
    run = ["docker", "run", "--detach", "--name", f"{name}-{service}-1", *words, "redis:8"]
    subprocess.run(run, check=True, capture_output=True)


def services_of(project: Project) -> set[str]:
    """Return the services of every container that carries the project's label, whoever made it."""
    form = '{{.Label "com.docker.compose.service"}}'
    label = f"label=com.docker.compose.project={project_name(project)}"
    listing = ["docker", "ps", "--all", "--filter", label, "--format", form]
    return set(subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split())


def test_a_stale_stack_of_an_older_version_is_taken_away(make_compose_project: MakeProject) -> None:
    project = make_compose_project()
    project.state.mkdir(mode=0o700)
    start_stale(project, "console")
    assert project.json("down")["stopped"] == ["console"]


def test_up_takes_the_place_of_a_stale_stack(make_compose_project: MakeProject) -> None:
    project = make_compose_project()
    for service in ("console", "nlu", "collector"):
        start_stale(project, service)
    said = project.run("up", "--no-seed").stderr
    assert "console of an earlier start is not part of this environment: removed" in said
    assert project.json("status")["status"] == "ready"
    ours = {"gateway", "orchestrateur", "nlu", "rag", "worker", "migrate", "postgres", "redis"}
    assert services_of(project) == {*ours, "collector"}, "who starts a collector keeps it"


def copy_with_step(checkout: Path, folder: Path, step: str) -> str:
    """Copy the command and its sources, with one more step in the image; return the PYTHONPATH of the copy."""
    tracked = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "salambot_cli", "services", "compose", "templates"],
        cwd=checkout, check=True, capture_output=True, text=True,
    ).stdout.split("\0")[:-1]  # fmt: skip
    for name in tracked:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(checkout / name, folder / name)
    dockerfile = folder / "services" / "Dockerfile"
    first, second, rest = dockerfile.read_text().partition("AS build\n")
    dockerfile.write_text(f"{first}{second}RUN {step}\n{rest}")
    return f"{folder}:{folder}/services"


def test_an_image_that_cannot_be_built(make_compose_project: MakeProject, checkout: Path, tmp_path: Path) -> None:
    project = make_compose_project()
    step = "seq 400 | sed 's/^/fetching part /'; echo the mirror is made of cheese >&2; exit 7"
    said = project.run("up", "--no-seed", status=1, PYTHONPATH=copy_with_step(checkout, tmp_path / "copy", step)).stderr
    assert "the image cannot be built" in said
    assert "the mirror is made of cheese" in said
    assert "exit code: 7" in said
    assert "fetching part 300" not in said, "the relevant lines, not 400"
    assert containers(project) == {}


def test_an_interrupt_while_the_image_is_built(
    make_compose_project: MakeProject, checkout: Path, tmp_path: Path
) -> None:
    project = make_compose_project()
    mark = f"6{os.getpid()}"
    python_path = copy_with_step(checkout, tmp_path / "copy", f"sleep {mark}")
    process = project.start("up", "--json-lines", PYTHONPATH=python_path)
    wait_for(process, "start.image")
    while not building(mark):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert containers(project) == {}
    assert not project.state.exists()
    deadline = time.monotonic() + 60
    while building(mark):
        assert time.monotonic() < deadline, "the engine still builds"
        time.sleep(0.1)


def building(mark: str) -> bool:
    return any(
        each.info["cmdline"][:2] == ["sleep", mark] for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"]
    )


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


def test_the_engine_stops_while_up_runs(make_compose_project: MakeProject, tmp_path: Path, cloudflared: Path) -> None:
    """What does not need the engine is undone all the same; what is left over for `down` is said."""
    project = make_compose_project()
    engine = FragileEngine(tmp_path / "engine.sock")
    environ = {"DOCKER_HOST": f"unix://{tmp_path}/engine.sock", "CLOUDFLARED_PATH": str(cloudflared)}
    try:
        process = project.start("up", "--tunnel", "--json-lines", **environ)
        wait_for(process, "start.migrate")
    finally:
        engine.stop()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert "docker" in said.lower()
    (left,) = re.findall(r"not undone: ([a-z, ]+) \(", said)
    assert {"postgres", "redis"} <= set(left.split(", ")), said
    assert project.processes() == []
    project.run("down")
    assert containers(project) == {}
