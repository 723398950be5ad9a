"""A tunnel before containers: messages come in and are answered; a changed public URL touches the gateway alone."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.compose_project import containers, rendered
from tests.e2e.conftest import ComposeStack
from tests.e2e.tunnels import program_of, until_url_is_other_than
from tests.fakes.graph_server import TOKENS, Graph
from tests.offline_cloud import reachable_address
from tests.servers import serving

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def environment_of(container: str) -> set[str]:
    """Return the variables of a container, as the engine started it."""
    command = ["docker", "inspect", "--format", "{{json .Config.Env}}", container]
    return set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_a_changed_url_reaches_the_container_of_the_gateway_alone(
    compose_stack: ComposeStack, cloudflared: Path
) -> None:
    project = compose_stack.project
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


def test_a_message_is_answered_by_containers(compose_stack: ComposeStack, cloudflared: Path) -> None:
    project = compose_stack.project
    graph = Graph()
    with serving(graph.app, host=reachable_address()) as url:
        lines = {"GRAPH_BASE_URL": url, "META_PAGE_TOKEN": TOKENS["messenger"], "WHATSAPP_TOKEN": TOKENS["whatsapp"]}
        (project.folder / ".env").touch(mode=0o600)
        (project.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        up = project.json("up", "--tunnel", CLOUDFLARED_PATH=str(cloudflared))
        steps = {step["id"]: step["status"] for step in up["steps"]}
        assert (steps["tunnel.open"], steps["tunnel.check"]) == ("done", "done")
        sent = project.json("webhook", "trigger", "whatsapp", "--text", "Salam", "--url", up["public_url"])
        assert sent["deliveries"][0]["body"]["status"] == "accepted"
        assert graph.wait(1, 60)[-1]["text"]
        before = containers(project)
        again = project.json("up", "--tunnel", CLOUDFLARED_PATH=str(cloudflared))
        assert (again["public_url"], containers(project)) == (up["public_url"], before), "nothing was started again"
        closed = project.json("up", "--no-tunnel")
        assert closed["public_url"] is None
        assert not [process for process in project.processes() if "cloudflared" in " ".join(process.cmdline())]
    (project.folder / ".env").unlink()
