"""The way from outside: a tunnel (a stand-in that really proxies), the webhooks through it, and nothing else."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.fakes.graph_server import TOKENS, Graph
from tests.servers import serving
from tests.stack import Project, make_project

HIDDEN = (
    "/", "/health", "/health/ready", "/metrics", "/docs", "/openapi.json", "/v1/webhooks", "/internal/webhooks",
    "/v1/webhooks/../../metrics", "/v1/webhooks/%2e%2e/%2e%2e/metrics",
)  # fmt: skip
pytestmark = pytest.mark.xdist_group("tunnel")


@pytest.fixture(scope="module")
def cloudflared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a program that stands in for cloudflared."""
    program = tmp_path_factory.mktemp("bin") / "cloudflared"
    program.write_text(f"#!{sys.executable}\n" + (Path(__file__).parent.parent / "fakes/cloudflared.py").read_text())
    program.chmod(0o755)
    return program


@pytest.fixture(scope="module")
def graph() -> Iterator[tuple[Graph, str]]:
    graph = Graph()
    with serving(graph.app) as url:
        yield graph, url


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, graph: tuple[Graph, str]) -> Iterator[Project]:
    project = make_project(tmp_path_factory.mktemp("public"))
    lines = {"GRAPH_BASE_URL": graph[1], "META_PAGE_TOKEN": TOKENS["messenger"], "WHATSAPP_TOKEN": TOKENS["whatsapp"]}
    (project.folder / ".env").touch(mode=0o600)
    (project.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    yield project
    project.run("down")
    assert project.processes() == []


@pytest.fixture(scope="module")
def document(project: Project, cloudflared: Path) -> dict[str, Any]:
    return project.json("up", "--tunnel", "--no-seed", CLOUDFLARED_PATH=str(cloudflared))


def gateway_url_of(project: Project) -> str | None:
    """Return the PUBLIC_BASE_URL that the running gateway was given."""
    pid = project.json("status")["services"]["gateway"]["pid"]
    return psutil.Process(pid).environ().get("PUBLIC_BASE_URL") if pid else None


def public_url_of(project: Project) -> str:
    """Return the public URL that the keeper of the tunnel has noted, once the gateway knows it."""
    return str(json.loads((project.state / "state.json").read_text())["public_url"])


def test_up_publishes_the_webhooks(project: Project, document: dict[str, Any]) -> None:
    steps = {step["id"]: step["status"] for step in document["steps"]}
    assert (steps["tunnel.open"], steps["tunnel.check"]) == ("done", "done")
    assert document["public_url"]
    assert gateway_url_of(project) == document["public_url"]
    assert document["components"]["tunnel"]["placement"] == "cloudflared"


def test_nothing_else_can_be_reached(document: dict[str, Any]) -> None:
    with httpx.Client(base_url=document["public_url"], trust_env=False) as client:
        for path in HIDDEN:
            assert client.get(path).status_code == 404, path
        assert client.post("/v1/generate/reply", headers={"Authorization": "Bearer dev-token"}).status_code == 404
        assert client.get("/v1/webhooks/messenger").status_code == 403


def test_a_message_from_outside_is_answered(
    project: Project, document: dict[str, Any], graph: tuple[Graph, str]
) -> None:
    before = len(graph[0].sent)
    url = document["public_url"]
    sent = project.json("webhook", "trigger", "whatsapp", "--text", "Salam, bghit n3ref taman", "--url", url)
    assert sent["deliveries"][0]["body"]["status"] == "accepted"
    assert graph[0].wait(before + 1, 60)[-1]["text"]
    entries = project.json("webhook", "list")["webhooks"]
    assert entries[0]["message_id"] == sent["messages"][0]


def test_people_are_told_what_to_paste(project: Project, document: dict[str, Any], cloudflared: Path) -> None:
    said = project.run("tunnel", CLOUDFLARED_PATH=str(cloudflared)).stderr
    token = (project.state / "keys" / "META_VERIFY_TOKEN").read_text()
    assert token in said
    assert f"{document['public_url']}/v1/webhooks/whatsapp" in said.replace("\n", "")


def test_a_changed_url_reaches_the_gateway(project: Project, document: dict[str, Any]) -> None:
    program = next(process for process in project.processes() if process.cmdline()[1].endswith("/cloudflared"))
    program.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 90
    while (url := public_url_of(project)) == document["public_url"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert gateway_url_of(project) == url
    assert project.json("webhook", "trigger", "messenger", "--url", str(url))["status"] == "done"


def test_up_without_a_tunnel_closes_it(project: Project, document: dict[str, Any]) -> None:
    del document
    again = project.json("up", "--no-tunnel", "--no-seed")
    assert again["public_url"] is None
    assert not [process for process in project.processes() if "cloudflared" in " ".join(process.cmdline())]


def test_a_missing_program_is_named_with_what_mends_it(project: Project) -> None:
    path = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not shutil.which("cloudflared", path=folder)
    )
    done = project.run("up", "--tunnel", "--no-seed", status=3, PATH=path)
    assert "cloudflared is not installed" in done.stderr
    assert "salambot tunnel --download" in done.stderr


def test_a_program_that_ends_at_once_is_told_with_its_last_words(project: Project, cloudflared: Path) -> None:
    fault = cloudflared.with_name("cloudflared.fault")
    fault.write_text("exits")
    try:
        done = project.run("up", "--tunnel", "--no-seed", status=1, CLOUDFLARED_PATH=str(cloudflared))
        assert "the edge refuses" in done.stderr
    finally:
        fault.unlink()
