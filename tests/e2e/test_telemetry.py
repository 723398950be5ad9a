"""A live stack that exports to a real OTLP receiver: one trace through the four services, and nothing of the prompt."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.otlp_receiver import OtlpReceiver, receiving
from tests.stack import Project, make_project

pytestmark = pytest.mark.xdist_group("telemetry")
SERVICES = {"gateway", "orchestrateur", "nlu", "rag"}
PROMPT = "quelle est la zibeline 0612345678 politique de remboursement"
TELEMETRY = """allow_insecure = ["telemetry"]
[placement]
telemetry = "otlp"
[telemetry]
grafana_url = "https://grafana.example"
"""


@pytest.fixture(scope="module")
def receiver() -> OtlpReceiver:
    return OtlpReceiver()


@pytest.fixture(scope="module")
def project(receiver: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with receiving(receiver) as url:
        project = make_project(tmp_path_factory.mktemp("shop"), TELEMETRY)
        often = "OTEL_METRIC_EXPORT_INTERVAL=200\nOTEL_BSP_SCHEDULE_DELAY=200\n"
        (project.folder / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={url}\n{often}")
        (project.folder / ".env").chmod(0o600)
        assert project.json("up")["status"] == "ready"
        yield project
        project.run("down")
        assert project.processes() == []


def until(found: Callable[[], bool]) -> None:
    """Wait for what another process sends."""
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline, "it never arrived"
        time.sleep(0.05)


def trace_of(text: str) -> str:
    """Return the id that a command printed."""
    match = re.search(r"trace ([0-9a-f]{32})\b", text)
    assert match is not None, text
    return match[1]


def whole(receiver: OtlpReceiver, trace: str, root: str) -> list[tuple[str, Span]]:
    """Wait until a trace is there with its root; return it."""
    until(lambda: any(span.name == root for _, span in receiver.spans(trace)))
    until(lambda: all_connected(receiver.spans(trace)))
    return receiver.spans(trace)


def all_connected(spans: list[tuple[str, Span]]) -> bool:
    ids = {span.span_id for _, span in spans}
    roots = [span for _, span in spans if not span.parent_span_id]
    return len(roots) == 1 and all(span.parent_span_id in ids for _, span in spans if span.parent_span_id)


def test_one_chat_is_one_connected_trace_over_the_four_services(project: Project, receiver: OtlpReceiver) -> None:
    said = project.run("chat", PROMPT)
    trace = trace_of(said.stderr)
    until(lambda: {service for service, _ in receiver.spans(trace)} >= SERVICES)
    spans = whole(receiver, trace, "salambot chat")
    assert {service for service, _ in spans} == SERVICES | {"salambot"}
    names = {span.name for _, span in spans}
    assert {"salambot chat", "POST /v1/generate/reply", "POST /internal/reply", "compose_answer", "retrieval"} <= names
    assert "https://grafana.example/explore?schemaVersion=1&panes=%7B%22trace" in said.stderr
    assert trace in said.stderr.split("panes=")[1]


def test_no_word_of_the_prompt_leaves(project: Project, receiver: OtlpReceiver) -> None:
    trace = trace_of(project.run("chat", PROMPT).stderr)
    whole(receiver, trace, "salambot chat")
    until(lambda: receiver.counts["logs"] > 0 and receiver.counts["metrics"] > 0)
    sent = b"".join(export.SerializeToString() for export in receiver.exports)
    for word in ("zibeline", "0612345678", "612345678"):
        assert word.encode() not in sent


def test_smoke_is_one_trace(project: Project, receiver: OtlpReceiver) -> None:
    trace = trace_of(project.run("smoke").stderr)
    spans = whole(receiver, trace, "salambot smoke")
    assert sum(span.name == "POST /v1/generate/reply" for _, span in spans) == 2  # one of them without a token
    assert any(span.name == "webhook.accept" for _, span in spans)


def test_seed_is_one_trace_with_each_document(project: Project, receiver: OtlpReceiver) -> None:
    kb = project.folder / "kb"
    kb.mkdir()
    (kb / "horaires.md").write_text("# Horaires\n\nNous ouvrons à neuf heures.\n")
    trace = trace_of(project.run("seed", "--no-prune").stderr)
    spans = whole(receiver, trace, "salambot seed")
    assert sum(span.name == "seed.document" for _, span in spans) == 1
    assert {"seed", "salambot"} <= {service for service, _ in spans}


def test_every_query_of_every_dashboard_asks_for_what_the_stack_exposes(project: Project, checkout: Path) -> None:
    project.run("smoke")
    labels = exposed(project)
    recorded = {"slo:error_ratio", "slo:error_budget"}
    for query in queries(checkout):
        for name, selectors in re.findall(r"\b(salambot_\w+)(?:\{([^}]*)\})?", query):
            assert name in labels, f"nothing exposes {name}: {query}"
            asked = set(re.findall(r"(\w+)=~?", selectors))
            assert asked <= labels[name] | {"le"}, f"{name} has no {asked - labels[name]}: {query}"
        for grouping in re.findall(r"by \(([^)]*)\)", query):
            known = set().union(*(labels[name] for name in re.findall(r"\b(salambot_\w+)", query)))
            assert set(grouping.replace(" ", "").split(",")) <= known | {"le", "slo"}, query
        assert "salambot_" in query or any(name in query for name in recorded)


def queries(checkout: Path) -> list[str]:
    grafana = checkout / "templates/grafana"
    panels = [panel for path in grafana.glob("dashboards/*.json") for panel in json.loads(path.read_text())["panels"]]
    rules = [
        line for path in grafana.glob("rules/*.yaml") for line in path.read_text().splitlines() if "salambot_" in line
    ]
    return [target["expr"] for panel in panels for target in panel["targets"]] + rules


def exposed(project: Project) -> dict[str, set[str]]:
    """Return the label names of every sample name that the processes of the stack expose or declare."""
    found: dict[str, set[str]] = {}
    for port in listening(project):
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        for family in text_string_to_metric_families(answer.text):
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
            for suffix in suffixes:
                found.setdefault(f"{family.name}{suffix}", set())
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    declared = {  # families without a sample yet: what nobody sent has no labels to look at
        name: names for name, names in DECLARED.items() if not found.get(name)
    }
    assert set(declared) <= set(found)
    return found | declared


def listening(project: Project) -> list[int]:
    """Return where the services and the worker listen."""
    words = [process.cmdline() for process in project.processes()]
    return [
        int(line[line.index("--port") + 1]) for line in words if "salambot.serve" in line or "salambot.worker" in line
    ]


DECLARED = {
    "salambot_webhook_refusals_total": {"channel", "cause"},
    "salambot_channel_replies_total": {"channel", "outcome"},
    "salambot_channel_retries_total": {"channel", "reason"},
    "salambot_channel_reply_seconds_bucket": {"channel", "le"},
    "salambot_embedding_tokens_total": {"model"},
    "salambot_embedding_cost_dollars_total": {"model"},
}
