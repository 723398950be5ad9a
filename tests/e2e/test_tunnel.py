"""The way from outside: a tunnel (a stand-in that really proxies), the webhooks through it, and nothing else."""

import asyncio
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pycloudflared.util import get_info

from tests.e2e.tunnels import program_of, public_url_of, until_url_is_other_than
from tests.events import by_meta, messenger
from tests.fakes.graph_server import TOKENS, Graph
from tests.fakes.ngrok_edge import AUTHTOKEN, NgrokEdge, authority
from tests.fakes.releases import PROGRAM, releases
from tests.servers import free_port, serving
from tests.stack import Project, make_project

HIDDEN = (
    "/", "/health", "/health/ready", "/metrics", "/docs", "/openapi.json", "/v1/webhooks", "/internal/webhooks",
    "/console", "/console/static/console.js", "/console/doctor", "/internal/console/doctor",
    "/v1/webhooks/../../metrics", "/v1/webhooks/%2e%2e/%2e%2e/metrics",
)  # fmt: skip
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("tunnel")]


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


def test_up_publishes_the_webhooks(project: Project, document: dict[str, Any]) -> None:
    steps = {step["id"]: step["status"] for step in document["steps"]}
    assert (steps["tunnel.open"], steps["tunnel.check"]) == ("done", "done")
    assert document["public_url"]
    assert gateway_url_of(project) == document["public_url"]
    assert document["components"]["tunnel"]["placement"] == "cloudflared"
    status = project.json("status")
    assert status["public_url"] == status["components"]["tunnel"]["detail"] == document["public_url"]
    assert (status["worker"]["health"], status["worker"]["pending"]) == ("healthy", 0)


def test_up_again_leaves_tunnel_and_gateway_alone(
    project: Project, document: dict[str, Any], cloudflared: Path
) -> None:
    again = project.json("up", "--tunnel", "--no-seed", CLOUDFLARED_PATH=str(cloudflared))
    assert again["public_url"] == document["public_url"]
    assert again["services"]["gateway"]["pid"] == document["services"]["gateway"]["pid"]


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
    before = document["public_url"]
    others = {name: part["pid"] for name, part in project.json("status")["services"].items() if name != "gateway"}
    program_of(project).send_signal(signal.SIGKILL)
    url = until_url_is_other_than(project, before)
    assert gateway_url_of(project) == url
    assert project.json("webhook", "trigger", "messenger", "--url", str(url))["status"] == "done"
    status = project.json("status")
    assert {name: part["pid"] for name, part in status["services"].items() if name != "gateway"} == others
    assert status["public_url"] == url


def test_no_request_fails_while_the_gateway_follows_its_url(project: Project, document: dict[str, Any]) -> None:
    del document
    before = public_url_of(project)
    secret = (project.state / "keys" / "META_APP_SECRET").read_text()
    body = messenger({"sender": {"id": "u"}, "recipient": {"id": "p"}, "read": {"watermark": 1}})
    headers = by_meta(body, secret)
    pid = project.json("status")["services"]["gateway"]["pid"]
    answers: list[int] = []
    with ThreadPoolExecutor(4) as pool, httpx.Client(trust_env=False, timeout=300) as client:
        followed = threading.Event()

        def knock() -> None:
            while not followed.is_set():
                answer = client.post(f"{before}/v1/webhooks/messenger", content=body, headers=headers)
                answers.append(answer.status_code)

        knocking = [pool.submit(knock) for _ in range(4)]
        try:
            program_of(project).send_signal(signal.SIGUSR1)
            url = until_url_is_other_than(project, before)
        finally:
            followed.set()
        for one in knocking:
            one.result()
    assert set(answers) == {200}
    assert project.json("status")["services"]["gateway"]["pid"] != pid
    assert gateway_url_of(project) == url


def test_a_program_that_answers_no_more_is_started_anew(project: Project, document: dict[str, Any]) -> None:
    del document
    before, program = public_url_of(project), program_of(project)
    program.suspend()
    url = until_url_is_other_than(project, before)
    assert program_of(project).pid != program.pid
    assert project.json("webhook", "trigger", "messenger", "--url", url)["status"] == "done"


def test_the_tunnel_ends_with_its_keeper(project: Project, document: dict[str, Any]) -> None:
    del document
    program = program_of(project)
    keeper = psutil.Process(program.ppid())
    before = public_url_of(project)
    keeper.kill()
    program.wait(timeout=60)
    until_url_is_other_than(project, before)
    assert program_of(project).pid != program.pid


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
    wrong = project.run("up", "--tunnel", "--no-seed", status=3, CLOUDFLARED_PATH=str(project.folder))
    assert "CLOUDFLARED_PATH names no program" in wrong.stderr
    assert "salambot tunnel --download" in done.stderr


@pytest.fixture
def place_of_download() -> Iterator[Path]:
    path = Path(get_info().executable)
    assert not path.exists()
    yield path
    path.unlink(missing_ok=True)


async def test_a_download_shows_its_checksum_and_is_whole_or_leaves_nothing(
    project: Project, tmp_path: Path, place_of_download: Path
) -> None:
    certificates, authority_file = authority(tmp_path)

    async def download(proxy: str, status: int) -> subprocess.CompletedProcess[str]:
        given = {"HTTPS_PROXY": proxy, "https_proxy": proxy, "SSL_CERT_FILE": str(authority_file)}
        return await asyncio.to_thread(project.run, "tunnel", "--download", status=status, **given)

    assert "cloudflared cannot be downloaded" in (await download(f"http://127.0.0.1:{free_port()}", 1)).stderr
    async with releases(certificates, whole=False) as proxy:
        assert "CLOUDFLARED_PATH" in (await download(proxy, 1)).stderr
    assert not os.access(place_of_download, os.F_OK)
    async with releases(certificates) as proxy:
        done = await download(proxy, 0)
    assert done.stdout.strip() == str(place_of_download)
    assert hashlib.sha256(PROGRAM).hexdigest() in done.stderr
    assert os.access(place_of_download, os.X_OK)


def test_a_program_that_ends_at_once_is_told_with_its_last_words(project: Project, cloudflared: Path) -> None:
    fault = cloudflared.with_name("cloudflared.fault")
    fault.write_text("exits")
    try:
        done = project.run("up", "--tunnel", "--no-seed", status=1, CLOUDFLARED_PATH=str(cloudflared))
        assert "the edge refuses" in done.stderr
    finally:
        fault.unlink()


@pytest.mark.timing
def test_a_program_that_hangs_is_given_up_and_leaves_nothing(project: Project, cloudflared: Path) -> None:
    fault = cloudflared.with_name("cloudflared.fault")
    fault.write_text("hangs")
    try:
        done = project.run("up", "--tunnel", "--no-seed", status=1, CLOUDFLARED_PATH=str(cloudflared))
        assert "tunnel did not start" in done.stderr
        assert "not ready after 30 s" in done.stderr
        assert not [process for process in project.processes() if "cloudflared" in " ".join(process.cmdline())]
    finally:
        fault.unlink()


@pytest.mark.usefixtures("document")
def test_a_named_tunnel_keeps_its_name_and_its_token(project: Project, cloudflared: Path) -> None:
    port = free_port()
    token = base64.b64encode(json.dumps({"a": "account", "t": str(port), "s": "tunnel-canary"}).encode()).decode()
    url = f"http://127.0.0.1:{port}"
    given = {"CLOUDFLARED_PATH": str(cloudflared), "TUNNEL_TOKEN": token}
    refused = project.run("up", "--tunnel", "--no-seed", status=2, **given)
    assert "PUBLIC_BASE_URL" in refused.stderr
    document = project.json("up", "--tunnel", "--no-seed", PUBLIC_BASE_URL=url, **given)
    assert document["public_url"] == url
    assert {step["id"]: step["status"] for step in document["steps"]}["tunnel.check"] == "done"
    assert project.json("webhook", "trigger", "messenger", "--url", url)["status"] == "done"
    assert not [process for process in project.processes() if token in " ".join(process.cmdline())]
    files = [path for path in project.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in files if token.encode() in path.read_bytes()] == [], "the process alone knows it"


@pytest.mark.usefixtures("document")
def test_a_slow_edge_is_a_warning(project: Project, cloudflared: Path) -> None:
    fault = cloudflared.with_name("cloudflared.fault")
    project.run("up", "--no-tunnel", "--no-seed")
    fault.write_text("slow")
    try:
        document = project.json("up", "--tunnel", "--no-seed", CLOUDFLARED_PATH=str(cloudflared))
    finally:
        fault.unlink()
    (check,) = [step for step in document["steps"] if step["id"] == "tunnel.check"]
    assert (document["status"], check["status"]) == ("ready", "skipped")
    assert "no request came back" in check["detail"]


@pytest.mark.usefixtures("document")
def test_nothing_is_left_when_the_supervisor_is_killed(project: Project, cloudflared: Path) -> None:
    project.run("up", "--no-tunnel", "--no-seed")
    said = project.run("up", "--tunnel", "--no-seed", CLOUDFLARED_PATH=str(cloudflared)).stderr.replace("\n", "")
    for channel in ("messenger", "whatsapp", "telegram", "generic"):
        assert f"{public_url_of(project)}/v1/webhooks/{channel}" in said
    assert (project.state / "keys" / "META_VERIFY_TOKEN").read_text() in said
    program = program_of(project)
    supervisor = psutil.Process(psutil.Process(program.ppid()).ppid())
    assert "supervisor" in " ".join(supervisor.cmdline())
    supervisor.kill()
    program.wait(timeout=60)
    psutil.wait_procs(project.processes(), timeout=60)
    assert project.processes() == []


async def test_ngrok_is_a_part_of_its_keeper(project: Project, tmp_path: Path) -> None:
    certificates, authority_file = authority(tmp_path)
    async with NgrokEdge(certificates).serving() as edge:
        given = {
            "SALAMBOT_PLACEMENT_TUNNEL": "ngrok",
            "NGROK_SERVER_ADDR": edge.address,
            "NGROK_CA_FILE": str(authority_file),
        }

        async def up(status: int, **more: str) -> str:
            done = await asyncio.to_thread(project.run, "up", "--no-seed", "--json", status=status, **given, **more)
            assert "canary" not in done.stdout + done.stderr
            return done.stdout

        assert "NGROK_AUTHTOKEN" in await up(2)
        assert "ERR_NGROK_107" in await up(1, NGROK_AUTHTOKEN="wrong-canary")
        document = json.loads(await up(0, NGROK_AUTHTOKEN=AUTHTOKEN))
        assert document["public_url"] == edge.url
        assert {step["id"]: step["status"] for step in document["steps"]}["tunnel.check"] == "done"
        (await edge.logins.get()).drop()
        await asyncio.wait_for(edge.logins.get(), 60)  # the SDK comes back by itself
        sent = await asyncio.to_thread(project.json, "webhook", "trigger", "whatsapp", "--url", edge.url)
        assert sent["deliveries"][0]["body"]["status"] == "accepted"
        assert not [process for process in project.processes() if AUTHTOKEN in " ".join(process.cmdline())]
        await asyncio.to_thread(project.run, "down")
        assert edge.agents == []
