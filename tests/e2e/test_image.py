"""The one image of the services: small, closed, without secrets, quick to build again; and how it is removed."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from salambot_cli.config.schema import looks_secret
from tests.cli.catalog.manifests import documents, environment_of, pods, rendered
from tests.stack import Project

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
MEGABYTE = 1_000_000
WRITE = """
import os, pathlib
print(os.getuid(), os.getgid())
for place in ("/app", "/opt/venv", "/", "/tmp"):
    try:
        pathlib.Path(place, "mine").touch()
    except OSError:
        print("refused", place)
"""

PROBE = """
import sys, time, urllib.request
port, *paths = sys.argv[1:]
for path in paths:
    for left in range(100, -1, -1):
        try:
            print(urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").status)
            break
        except OSError:
            if not left:
                raise
            time.sleep(0.3)
"""


def docker(*words: str) -> str:
    """Run docker; return what it printed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tags() -> list[str]:
    """Return what is there of the images that these tests make."""
    return docker("image", "ls", "--format", "{{.Tag}}", "salambot-test").split()


def inspect(image: str) -> dict[str, Any]:
    """Return what the engine knows of an image."""
    found: list[dict[str, Any]] = json.loads(docker("image", "inspect", image))
    return found[0]


@pytest.fixture(scope="module")
def base(checkout: Path) -> str:
    """Return the image that ours is built on."""
    named = re.search(r"^ARG BASE=(\S+)", (checkout / "services" / "Dockerfile").read_text(), re.MULTILINE)
    assert named is not None
    return named[1]


@pytest.fixture(scope="module")
def image(checkout: Path) -> Iterator[str]:
    """Build the image from the sources; from the cache, where `up` has built it."""
    identifier = docker("build", "--quiet", "--tag", "salambot-test:plain", str(checkout / "services")).strip()
    yield identifier
    if "plain" in tags():  # --prune takes it too
        docker("image", "rm", "salambot-test:plain")


def test_it_adds_little_to_its_base(image: str, base: str) -> None:
    assert inspect(image)["Size"] - inspect(base)["Size"] <= 350 * MEGABYTE


def test_it_says_what_it_is_and_how_it_is(image: str) -> None:
    config = inspect(image)["Config"]
    assert config["Labels"]["org.opencontainers.image.title"] == "SalamBot"
    assert config["Labels"]["io.salambot.image"] == "services"
    assert "healthcheck.py" in " ".join(config["Healthcheck"]["Test"])


def test_its_user_is_nobody_and_writes_nowhere(image: str) -> None:
    run = ("run", "--rm", "--init", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--entrypoint", "python")  # noqa: S108 - inside the container
    assert docker(*run, image, "-c", WRITE).split("\n") == [
        "10001 10001", "refused /app", "refused /opt/venv", "refused /", "",
    ]  # fmt: skip
    assert docker("run", "--rm", "--entrypoint", "python", image, "-c", WRITE).count("refused") == 3, "nor elsewhere"


def test_no_layer_holds_a_secret(image: str) -> None:
    steps = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert not [word for word in (*steps.split(), *inspect(image)["Config"]["Env"]) if looks_secret(word)]
    listing = docker("run", "--rm", "--entrypoint", "find", image, "/app", "-type", "f")
    suffixes = {Path(line).suffix for line in listing.splitlines()}
    assert ".py" in suffixes
    assert not suffixes & {"", ".env", ".pem", ".key", ".p12", ".jwk", ".lock"}


def test_a_pod_starts_under_the_rules_of_its_manifest_and_answers_its_probes(image: str, tmp_path: Path) -> None:
    files = rendered(environment_of(tmp_path, "local"))
    spec = pods(documents(files))["nlu"]  # which needs no store
    (pod,) = spec["containers"]
    own = dict(
        line.split("=", 1) for line in files["base/secrets/nlu-own.env"].splitlines() if not line.startswith("#")
    )
    env = [f"{entry['name']}={entry.get('value', own.get(entry['name']))}" for entry in pod["env"]]
    user = f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}"
    rules = ("--read-only", "--user", user, "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    room = [word for mount in pod["volumeMounts"] for word in ("--tmpfs", f"{mount['mountPath']}:size=64m,mode=1777")]
    program, *words = pod["command"]
    given = [word for pair in env for word in ("--env", pair)]
    container = docker("run", "--detach", *rules, *room, *given, "--entrypoint", program, image, *words).strip()
    try:
        probes = [pod[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")]
        (port,) = [listed["containerPort"] for listed in pod["ports"]]
        assert docker("exec", container, "python", "-c", PROBE, str(port), *probes).split() == ["200"] * 3
        docker("exec", container, pod["lifecycle"]["preStop"]["exec"]["command"][0], "0")
    finally:
        docker("rm", "--force", container)


def test_a_changed_source_installs_nothing_again(base: str, checkout: Path, tmp_path: Path) -> None:
    context = tmp_path / "services"
    shutil.copytree(checkout / "services", context, ignore=shutil.ignore_patterns("__pycache__"))
    image = docker("build", "--quiet", "--tag", "salambot-test:changed", str(context)).strip()
    source = context / "salambot" / "http" / "server.py"
    source.write_text(source.read_text() + "# changed\n")
    changed = docker("build", "--quiet", "--tag", "salambot-test:changed", str(context)).strip()
    before, after = (inspect(one)["RootFS"]["Layers"] for one in (image, changed))  # an engine under load may prune
    docker("image", "rm", "salambot-test:changed")
    dependencies = len(inspect(base)["RootFS"]["Layers"]) + 1
    assert before[:dependencies] == after[:dependencies]
    assert before != after


def test_prune_removes_the_images_that_no_container_uses(
    make_compose_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_compose_project()
    project.state.mkdir(mode=0o700)
    ours = "FROM scratch\nLABEL io.salambot.image=services name="
    for name, text in (("idle", f"{ours}idle"), ("used", f"{ours}used"), ("other", "FROM scratch\nLABEL name=other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
        docker("build", "--quiet", "--tag", f"salambot-test:{name}", str(tmp_path / name))
    container = docker("create", "salambot-test:used", "nothing").strip()
    try:
        project.run("down", "--prune")
        left = tags()
        assert "idle" not in left
        assert {"used", "other"} <= set(left)
    finally:
        docker("rm", container)
        docker("image", "rm", "salambot-test:used", "salambot-test:other")
