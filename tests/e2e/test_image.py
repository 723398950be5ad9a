"""The one image of the services: small, closed, without secrets, quick to build again; and how it is removed."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from salambot_cli.model.config import looks_secret
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


def test_a_changed_source_installs_nothing_again(image: str, base: str, checkout: Path, tmp_path: Path) -> None:
    context = tmp_path / "services"
    shutil.copytree(checkout / "services", context, ignore=shutil.ignore_patterns("__pycache__"))
    with (context / "salambot" / "serve.py").open("a") as source:
        source.write("# changed\n")
    changed = docker("build", "--quiet", "--tag", "salambot-test:changed", str(context)).strip()
    before, after = (inspect(one)["RootFS"]["Layers"] for one in (image, changed))
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
