"""A tunnel before containers: only the gateway is made anew when the public URL changes."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.compose_project import containers, rendered
from tests.e2e.tunnels import program_of, until_url_is_other_than
from tests.stack import Project

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def environment_of(container: str) -> set[str]:
    """Return the variables of a container, as the engine started it."""
    command = ["docker", "inspect", "--format", "{{json .Config.Env}}", container]
    return set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_a_changed_url_reaches_the_container_of_the_gateway_alone(
    make_compose_project: Callable[..., Project], cloudflared: Path
) -> None:
    project = make_compose_project()
    document = project.json("up", "--tunnel", "--no-seed", CLOUDFLARED_PATH=str(cloudflared))
    assert {step["id"]: step["status"] for step in document["steps"]}["tunnel.check"] == "done"
    before, url = containers(project), document["public_url"]
    assert f"PUBLIC_BASE_URL={url}" in environment_of(before["gateway"])
    program_of(project).send_signal(signal.SIGUSR1)
    changed = until_url_is_other_than(project, url)
    after = containers(project)
    assert f"PUBLIC_BASE_URL={changed}" in environment_of(after["gateway"])
    assert {name for name in before if before[name] != after[name]} == {"gateway"}
    assert f'PUBLIC_BASE_URL="{changed}"' in (rendered(project) / ".env").read_text()
    assert project.json("webhook", "trigger", "messenger", "--url", changed)["status"] == "done"
    status = project.json("status")
    assert (status["status"], status["public_url"], status["worker"]["health"]) == ("ready", changed, "healthy")
