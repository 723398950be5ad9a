"""Services that share a process: to whoever looks from outside they are four, as they are apart."""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.stack import Project, make_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("together")]
TOGETHER = 'together = ["rag", "gateway", "orchestrateur"]\n'
SHARED = ("gateway", "orchestrateur", "rag")
TABLES = """
[placement]
telemetry = "local"

[env]
RATE_LIMIT_GENERATE = "100000/minute"
RATE_LIMIT_CLIENT = "100000/minute"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = make_project(tmp_path_factory.mktemp("shop"), TOGETHER + TABLES)
    document = project.json("up")
    steps = {step["id"]: step["detail"] for step in document["steps"] if step["status"] == "unchanged"}
    assert not {f"start.{service}" for service in SHARED}.intersection(steps)
    yield project
    project.run("down")
    assert project.processes() == []


def services(project: Project) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = project.json("status")["services"]
    assert {facts["health"] for facts in found.values()} == {"healthy"}
    return found


def pids(project: Project, *names: str) -> set[object]:
    found = services(project)
    return {found[name]["pid"] for name in names}


def ask(url: object, accept: str = "application/json") -> httpx.Response:
    body = {
        "schema_version": "1.0", "tenant": "demo", "channel": "webchat", "message_id": "msg_1",
        "timestamp": "2026-01-05T10:00:00Z", "data": {"prompt": "Livrez-vous à Agadir ?", "context": []},
    }  # fmt: skip
    headers = {"Authorization": "Bearer dev-token", "Accept": accept}
    return httpx.post(f"{url}/v1/generate/reply", json=body, headers=headers, timeout=60, trust_env=False)


def test_one_process_and_the_rest_apart(project: Project) -> None:
    shared = pids(project, *SHARED)
    assert len(shared) == 1
    assert not shared & pids(project, "nlu")
    assert project.json("smoke")["status"] == "pass"


def test_each_port_answers_for_its_own_service(project: Project) -> None:
    for name, facts in services(project).items():
        health = httpx.get(f"{facts['url']}/health", trust_env=False).json()
        assert health["service"] == name
        assert httpx.post(f"{facts['url']}/internal/search", trust_env=False).status_code == 401
    refused = httpx.post(f"{services(project)['gateway']['url']}/internal/reply", trust_env=False)
    assert refused.status_code == 401


def test_a_reply_streams(project: Project) -> None:
    streamed = ask(services(project)["gateway"]["url"], "text/event-stream")
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert "event: reply.completed" in streamed.text


def test_metrics_of_a_port_are_those_of_its_service(project: Project) -> None:
    found = services(project)
    assert ask(found["gateway"]["url"]).status_code == 200
    told = {name: httpx.get(f"{found[name]['url']}/metrics", trust_env=False).text for name in SHARED}
    for name, text in told.items():
        assert {*re.findall(r'service="(\w+)"', text)} == {name}
    assert "salambot_requests_under_way" in told["gateway"]
    assert [name for name, text in told.items() if "salambot_retrieval_hits_total" in text] == ["rag"]
    assert [name for name, text in told.items() if "salambot_hot_state_errors_total" in text] == ["orchestrateur"]
    assert 'route="/internal/search",service="rag",status="200"' in told["rag"]


def test_each_has_its_spans_and_its_log(project: Project) -> None:
    match = re.search(r"trace ([0-9a-f]{32})", project.run("chat", "Livrez-vous à Agadir ?").stderr)
    assert match is not None
    hops = {("orchestrateur", "POST /internal/reply"), ("rag", "POST /internal/search")}
    deadline = time.monotonic() + 60
    while True:  # a span is told of when it ends, the outer ones last
        done = project.run("trace", match[1], "--json", status=None)
        spans = json.loads(done.stdout)["spans"] if done.returncode == 0 else []
        entered = {(span["service"], span["name"]) for span in spans}
        if {service for service, _ in entered} == {*SHARED, "nlu", "salambot"} and hops <= entered:
            break
        assert time.monotonic() < deadline, spans
        time.sleep(0.1)
    by_id = {span["span_id"]: span for span in spans}
    searched = next(span for span in spans if span["name"] == "POST /internal/search" and span["service"] == "rag")
    assert by_id[searched["parent_id"]]["service"] == "orchestrateur"
    for name in SHARED:
        lines = [
            json.loads(line) for line in project.run("logs", name, "--trace", match[1], "--json").stdout.splitlines()
        ]
        assert lines
        assert {json.loads(line["text"])["service"] for line in lines} == {name}


def test_nobody_is_turned_away_while_it_restarts(project: Project) -> None:
    url, over = services(project)["gateway"]["url"], threading.Event()
    before = pids(project, *SHARED)

    def asking() -> list[int]:
        answers = []
        while not over.is_set():
            answers.append(ask(url).status_code)
        return answers

    with ThreadPoolExecutor(4) as threads:
        callers = [threads.submit(asking) for _ in range(4)]
        try:
            project.run("up", LOG_LEVEL="DEBUG")
            assert not before & pids(project, *SHARED)
            project.run("up")
        finally:
            over.set()
    answers = [status for caller in callers for status in caller.result()]
    assert len(answers) > 20
    assert {*answers} == {200}


def test_killed_it_comes_back_whole(project: Project) -> None:
    (before,) = pids(project, *SHARED)
    psutil.Process(int(str(before))).kill()
    document = project.json("up")
    assert document["status"] == "ready"
    after = pids(project, *SHARED)
    assert len(after) == 1
    assert before not in after
    assert project.json("doctor", "--offline")["root_causes"] == []


@pytest.mark.timing
@contextlib.contextmanager
def killed_again_and_again(project: Project, service: str) -> Iterator[None]:
    """Kill a service whenever it has come back, until the block ends."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.2):
            for process in project.processes():
                with contextlib.suppress(psutil.Error):
                    if {"salambot.http.server", service} <= {*process.cmdline()}:
                        process.kill()

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill)
        try:
            yield
        finally:
            over.set()
            killing.result()


def test_one_that_keeps_ending_is_one_root_cause(project: Project) -> None:
    deadline = time.monotonic() + 90
    with killed_again_and_again(project, "gateway"):
        while project.json("status")["services"]["gateway"]["health"] != "failing":
            assert time.monotonic() < deadline
        findings = project.json("doctor", "local.services", "--offline", status=1)["findings"]
    told = [finding for finding in findings if finding["id"] == "local.unhealthy"]
    assert [finding["evidence"]["part"] for finding in told if finding["status"] == "fail"] == ["gateway"]
    consequences = {finding["title"] for finding in told if finding["status"] == "skipped"}
    assert {"orchestrateur shares the process of gateway", "rag shares the process of gateway"} <= consequences
    assert project.json("up")["status"] == "ready"
    assert len(pids(project, *SHARED)) == 1


def test_metrics_of_the_process_are_told_once(project: Project) -> None:
    found = services(project)
    told = {name: httpx.get(f"{found[name]['url']}/metrics", trust_env=False).text for name in SHARED}
    assert [name for name, text in told.items() if "process_resident" in text] == ["gateway"]


def test_apart_again_and_together_again(project: Project) -> None:
    """Each change is asked for by one service; its partners of before are not left behind, and no port closes."""
    file: Path = project.folder / "salambot.toml"
    text, over = file.read_text(), threading.Event()
    ports = [int(str(facts["url"]).rpartition(":")[2]) for facts in services(project).values()]

    def connecting() -> int:
        made = 0
        while not over.is_set():
            for port in ports:
                socket.create_connection(("127.0.0.1", port), timeout=30).close()
                made += 1
            over.wait(0.05)  # a start may last: the queue of a port holds what is connected meanwhile
        return made

    try:
        with ThreadPoolExecutor(1) as threads:
            caller = threads.submit(connecting)
            try:
                file.write_text(text.replace(TOGETHER, ""))
                assert project.json("up", "rag")["status"] == "ready"
            finally:
                over.set()
            assert caller.result() > len(ports)
        assert len(pids(project, *SHARED)) == 3
        assert project.json("smoke")["status"] == "pass"
    finally:
        file.write_text(text)
    assert project.json("up")["status"] == "ready"
    assert len(pids(project, *SHARED)) == 1
    assert project.json("smoke")["status"] == "pass"


def test_up_of_one_starts_what_shares_its_process(tmp_path: Path) -> None:
    project = make_project(tmp_path, TOGETHER)
    try:
        assert project.json("up", "rag", "--no-seed")["status"] == "ready"
        assert len(pids(project, *SHARED)) == 1
    finally:
        project.run("down")


def test_all_that_shares_the_process_waits_for_the_public_url(tmp_path: Path) -> None:
    project = make_project(tmp_path, TOGETHER)
    steps = {step["id"]: step["needs"] for step in project.json("up", "--tunnel", "--dry-run")["steps"]}
    waiting = {name for name in (*SHARED, "nlu") if "tunnel.open" in steps[f"start.{name}"]}
    assert waiting == {*SHARED}


@pytest.mark.parametrize(
    ("wrong", "said"), [('["gateway"]', "two or more"), ('["gateway", "worker"]', "worker"), ('["rag", "rag"]', "once")]
)
def test_what_cannot_share_is_said(tmp_path: Path, wrong: str, said: str) -> None:
    other = make_project(tmp_path, f"together = {wrong}\n")
    assert said in other.run("config", "validate", status=2).stderr


def test_who_shares_is_shown(project: Project) -> None:
    shown = project.json("config", "show")
    row = next(value for value in shown["values"] if value["key"] == "together")
    assert (row["value"], row["layer"]) == ([*SHARED], "salambot.toml")
