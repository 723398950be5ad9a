"""A live stack that exports to a real OTLP receiver: one trace through the four services, and nothing of the prompt."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.dashboards import exemplars, exposed, listening, look_at, queries, shown_queries
from tests.fakes.graph_server import TOKENS, Graph
from tests.fakes.otlp_receiver import OtlpReceiver, receiving
from tests.prometheus import prometheus
from tests.servers import serving
from tests.stack import Project, make_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("telemetry")]
SERVICES = {"gateway", "orchestrateur", "nlu", "rag"}
PROMPT = "quelle est la zibeline 0612345678 politique de remboursement"
PERSONAL = f"""{PROMPT} sara@example.com BE123456 ٠٦٩٨٧٦٥٤٣٢ MA64011519000001205000534921
{{"event":"forged"}}\x1b[31m"""
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
def graph() -> Graph:
    return Graph()


@pytest.fixture(scope="module")
def project(receiver: OtlpReceiver, graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with receiving(receiver) as url, serving(graph.app) as sending:
        project = make_project(tmp_path_factory.mktemp("shop"), TELEMETRY)
        often = "OTEL_METRIC_EXPORT_INTERVAL=200\nOTEL_BSP_SCHEDULE_DELAY=200\n"
        sends = f"META_PAGE_TOKEN={TOKENS['messenger']}\nGRAPH_BASE_URL={sending}\n"
        (project.folder / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={url}\n{often}{sends}")
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


def whole(receiver: OtlpReceiver, trace: str, *steps: str) -> list[tuple[str, Span]]:
    """Wait until a trace is there with its root and these steps, which other processes send; return it."""
    until(lambda: {*steps} <= {span.name for _, span in receiver.spans(trace)})
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
    spans = whole(receiver, trace, "salambot chat", "compose_answer", "retrieval")
    assert {service for service, _ in spans} == SERVICES | {"salambot"}
    names = {span.name for _, span in spans}
    assert {"salambot chat", "POST /v1/generate/reply", "POST /internal/reply", "compose_answer", "retrieval"} <= names
    assert "https://grafana.example/explore?schemaVersion=1&panes=%7B%22trace" in said.stderr
    assert trace in said.stderr.split("panes=")[1]


def test_no_word_of_the_prompt_leaves_or_is_logged_or_counted(project: Project, receiver: OtlpReceiver) -> None:
    trace = trace_of(project.run("chat", PERSONAL).stderr)
    whole(receiver, trace, "salambot chat")
    until(lambda: receiver.counts["logs"] > 0 and receiver.counts["metrics"] > 0)
    told = b"".join(export.SerializeToString() for export in receiver.exports)
    told += project.run("logs", "--json").stdout.encode()
    told += b"".join(httpx.get(f"http://127.0.0.1:{port}/metrics").content for port in listening(project))
    assert trace.encode() in told
    words = ("zibeline", "612345678", "sara@", "BE123456", "٠٦٩٨", "698765432", "01151900", "forged")
    assert [word for word in words if word.encode() in told] == []


def test_smoke_is_one_trace(project: Project, receiver: OtlpReceiver) -> None:
    trace = trace_of(project.run("smoke").stderr)
    spans = whole(receiver, trace, "salambot smoke", "webhook.accept", "POST /v1/webhooks/messenger")
    assert sum(span.name == "POST /v1/generate/reply" for _, span in spans) == 2  # one of them without a token


def test_a_webhook_is_one_trace_through_the_queue_to_the_sent_reply(
    project: Project, receiver: OtlpReceiver, graph: Graph
) -> None:
    before = len(graph.sent)
    graph.faults.append("fails")  # the reply is tried again, and still in the trace of its message
    trace = project.json("webhook", "trigger", "messenger", "--text", PROMPT)["deliveries"][0]["trace_id"]
    sent = graph.wait(before + 1)[before]
    until(lambda: {service for service, _ in receiver.spans(trace)} >= SERVICES | {"worker"})
    until(lambda: sum(span.name == "conversation.answer" for _, span in receiver.spans(trace)) == 2)
    spans = whole(receiver, trace, "POST /v1/webhooks/messenger")
    by_id = {span.span_id: span for _, span in spans}
    assert {by_id[span.parent_span_id].name for span in sent_by_worker(receiver, trace)} == {"conversation.answer"}
    told = b"".join(span.SerializeToString() for _, span in spans)
    for text in ("zibeline", "612345678", sent["to"], sent["account"], TOKENS["messenger"]):
        assert text.encode() not in told


def sent_by_worker(receiver: OtlpReceiver, trace: str) -> list[Span]:
    """Return the calls of the channel's API."""
    return [
        span
        for service, span in receiver.spans(trace)
        if service == "worker" and span.kind == Span.SPAN_KIND_CLIENT and span.name == "POST"
    ]


def test_seed_is_one_trace_with_each_document(project: Project, receiver: OtlpReceiver) -> None:
    kb = project.folder / "kb"
    kb.mkdir()
    (kb / "horaires.md").write_text("# Horaires\n\nNous ouvrons à neuf heures.\n")
    trace = trace_of(project.run("seed", "--no-prune").stderr)
    spans = whole(receiver, trace, "salambot seed", "seed", "seed.document")
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


@pytest.mark.prometheus
@pytest.mark.timing
def test_every_panel_shows_numbers_of_a_running_stack(
    project: Project, receiver: OtlpReceiver, graph: Graph, checkout: Path, tmp_path: Path
) -> None:
    with prometheus(tmp_path, listening(project), checkout / "templates/grafana/rules") as found:
        for _ in range(2):
            found.wait_for_scrapes()
            be_busy(project, graph)
        found.wait_for_scrapes()
        asked = shown_queries(checkout)
        for query in asked.values():
            found.wait_for_numbers(query)
        moment = time.time()
        look_at({panel: found.numbers(query, moment) for panel, query in asked.items()})
        traces = exemplars(found)
    until(lambda: any(receiver.spans(trace) for trace in traces))


def be_busy(project: Project, graph: Graph) -> None:
    """Have something of everything that a panel shows."""
    graph.faults.append("fails")
    project.run("chat", PROMPT)
    project.run("chat", "zzz qqq")
    for words in ((), ("--duplicate",), ("--stale",), ("--invalid-signature",)):
        project.run("webhook", "trigger", "messenger", *words, "--text", PROMPT, status=None)
