"""Telemetry without an account: the stack keeps it, `salambot trace` draws it, `salambot logs --trace` merges it."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Project, make_project, on_a_terminal

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("local-telemetry")]
SERVICES = {"gateway", "orchestrateur", "nlu", "rag"}
LOCAL = '[placement]\ntelemetry = "local"\n'
PROMPT = 'zibeline 0612345678"}\n{"event":"forged","trace_id":"x"} \x1b[31m politique de remboursement'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = make_project(tmp_path_factory.mktemp("shop"), LOCAL)
    document = project.json("up")
    assert document["status"] == "ready"
    assert document["components"]["telemetry"] == {"placement": "local", "health": "healthy"}
    yield project
    project.run("down")
    assert project.processes() == []


@pytest.fixture(scope="module")
def trace(project: Project) -> str:
    """Return the id of the trace of one chat, once all of it is kept."""
    match = re.search(r"trace ([0-9a-f]{32})", project.run("chat", PROMPT).stderr)
    assert match is not None
    deadline = time.monotonic() + 60
    while not is_whole(project, match[1]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return match[1]


def is_whole(project: Project, trace: str) -> bool:
    done = project.run("trace", trace, "--json", status=None)
    spans = json.loads(done.stdout)["spans"] if done.returncode == 0 else []
    return {span["service"] for span in spans} >= SERVICES | {"salambot"}


def test_the_waterfall_of_a_chat(project: Project, trace: str) -> None:
    drawn = project.run("trace", trace).stdout
    for step in ("salambot chat", "POST /v1/generate/reply", "POST /internal/reply", "retrieval", "compose_answer"):
        assert step in drawn
    assert trace in drawn
    assert "zibeline" not in drawn
    assert drawn.index("salambot chat") < drawn.index("POST /v1/generate/reply") < drawn.index("compose_answer")


def test_the_latest_trace_needs_no_id(project: Project, trace: str) -> None:
    listed = project.json("trace", "--list")["traces"]
    assert trace in {entry["trace_id"] for entry in listed}
    assert project.json("trace")["trace_id"] in {entry["trace_id"] for entry in listed}


def test_a_trace_that_is_not_kept(project: Project) -> None:
    done = project.run("trace", "0" * 31 + "1", status=1)
    assert "is not kept here" in done.stderr


def test_logs_of_one_request_from_four_services_in_order(project: Project, trace: str) -> None:
    lines = [json.loads(line) for line in project.run("logs", "--trace", trace, "--json").stdout.splitlines()]
    assert {line["source"] for line in lines} >= SERVICES
    said = [json.loads(line["text"]) for line in lines]
    assert all(fields["trace_id"] == trace for fields in said)
    assert [fields["timestamp"] for fields in said] == sorted(fields["timestamp"] for fields in said)
    assert {fields["service"] for fields in said if fields["event"] == "request"} >= SERVICES


def test_no_log_tells_of_the_prompt_and_none_can_be_forged(project: Project, trace: str) -> None:
    lines = [json.loads(line)["text"] for line in project.run("logs", "--json").stdout.splitlines()]
    everything = "\n".join(lines)
    assert trace in everything
    for word in ("zibeline", "0612345678", "forged", "\x1b"):
        assert word not in everything


def test_logs_are_pretty_on_a_terminal(project: Project, trace: str) -> None:
    status, screen = on_a_terminal(project, "logs", "--trace", trace)
    assert status == 0
    assert "route=" in screen
    assert '{"event"' not in screen


def test_logs_and_metrics_are_kept_too(project: Project, trace: str) -> None:
    import redis

    environ = next(
        process.environ() for process in project.processes() if "salambot.http.server" in " ".join(process.cmdline())
        and "REDIS_URL" in process.environ()
    )  # fmt: skip
    with redis.Redis.from_url(environ["REDIS_URL"]) as client:
        logs = client.xrevrange("salambot:telemetry:logs", count=2000)
        deadline = time.monotonic() + 60
        while not client.xlen("salambot:telemetry:metrics"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        kept = b"".join(fields[b"json"] for _, fields in logs)
    assert trace.encode() in kept
    assert b"zibeline" not in kept


def test_with_telemetry_off_the_way_to_see_traces_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    done = project.run("trace", status=1)
    assert 'telemetry = "local"' in done.stderr
