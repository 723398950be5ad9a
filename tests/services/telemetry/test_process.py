"""A service as a process of its own: what it exports of a model's call, and what it does with the rest when it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from salambot.core.schemas import ComposeRequest
from salambot.telemetry import STOP_SECONDS
from tests.fakes.openai_server import openai_server
from tests.fakes.otlp_receiver import OtlpReceiver, receiving
from tests.knowledge import KnowledgeBase
from tests.servers import free_port, wait_until_it_answers

pytestmark = pytest.mark.slow

TOKEN = "internal-token-of-the-tests"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"X-SalamBot-Internal": TOKEN, "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
PROMPT = 'zibeline 0612345678"}\n{"event":"forged"} \x1b[31m sara@example.com'
CAPTURING = {
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": ".*",
}
NEVER_MS = "3600000"
"""What is pending waits so long for its turn: whatever arrives does so because the process ended."""


@dataclass
class Nlu:
    """`python -m salambot.http.server nlu`, running."""

    process: subprocess.Popen[bytes]
    url: str

    def ask(self, accept: str = "application/json") -> httpx.Response:
        """Have a reply composed, in a trace that is recorded."""
        body = ComposeRequest(tenant="demo", prompt=PROMPT).model_dump_json()
        headers = {**HEADERS, "Accept": accept, "Content-Type": "application/json"}
        return httpx.post(f"{self.url}/internal/generate", content=body, headers=headers, timeout=60, trust_env=False)

    def end(self) -> float:
        """Ask it to end; return how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        return time.monotonic() - began


@contextmanager
def nlu(endpoint: str, **environ: str) -> Iterator[Nlu]:
    """Run nlu with telemetry to an endpoint, by the variables of a process."""
    port = free_port()
    variables = {
        "PYTHONPATH": ":".join(sys.path),
        "INTERNAL_TOKEN": TOKEN,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": NEVER_MS,
        "OTEL_METRIC_EXPORT_INTERVAL": NEVER_MS,
    }
    command = [sys.executable, "-m", "salambot.http.server", "nlu", "--port", str(port)]
    with subprocess.Popen(command, env=os.environ | variables | environ, stdout=subprocess.DEVNULL) as process:
        try:
            service = Nlu(process, f"http://127.0.0.1:{port}")
            wait_until_it_answers(process, service.url)
            yield service
        finally:
            process.kill()


@pytest.fixture
async def model() -> AsyncIterator[str]:
    async with openai_server() as (_, url):
        yield url


def test_what_is_pending_arrives_when_the_process_ends() -> None:
    receiver = OtlpReceiver()
    with receiving(receiver) as url, nlu(url) as service:
        assert service.ask().status_code == 200
        assert receiver.counts.total() == 0
        service.end()
    assert {span.name for _, span in receiver.spans(TRACE)} == {"POST /internal/generate", "compose_answer"}
    assert min(receiver.counts[signal] for signal in ("traces", "metrics", "logs")) > 0


def test_a_receiver_that_hangs_holds_the_end_for_two_seconds_at_most() -> None:
    release = threading.Event()

    async def hang(_: web.Request) -> web.Response:
        await asyncio.to_thread(release.wait, 60)
        return web.Response()

    with receiving(OtlpReceiver(fault=hang)) as url, nlu(url) as service:
        assert service.ask().status_code == 200
        took = service.end()
        release.set()
    assert took < STOP_SECONDS + 2  # the rest is the interpreter's own end, on a machine that has other things to do


@pytest.mark.parametrize("environ", [{}, CAPTURING], ids=["as it is", "asked to capture"])
@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
async def test_a_models_call_tells_its_tokens_and_no_word(model: str, accept: str, environ: dict[str, str]) -> None:
    receiver = OtlpReceiver()
    variables = {"LLM": "openai", "OPENAI_API_KEY": "sk-canary", "OPENAI_BASE_URL": model, **environ}

    def call() -> None:
        with receiving(receiver) as url, nlu(url, **variables) as service:
            assert service.ask(accept).status_code == 200
            service.end()

    await asyncio.to_thread(call)
    spans = {span.name: span for _, span in receiver.spans(TRACE)}
    told = attributes(spans["chat gpt-4.1-mini"])
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "gpt-4.1-mini"
    assert int(told["gen_ai.usage.input_tokens"]) > 0
    assert int(told["gen_ai.usage.output_tokens"]) > 0
    assert spans["chat gpt-4.1-mini"].parent_span_id == spans["compose_answer"].span_id
    sent = b"".join(export.SerializeToString() for export in receiver.exports)
    words = ("zibeline", "612345678", "forged", "sara@", "sk-canary", "remboursé")
    assert [word for word in words if word.encode() in sent] == []


async def test_a_job_logs_as_services_do_beside_its_report(tmp_path: Path, database_url: str) -> None:
    base = KnowledgeBase(tmp_path, database_url, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    base.write({"horaires.md": "# Horaires\n\nNous ouvrons à neuf heures.\n"})
    output, errors = await (await base.start()).communicate()
    assert json.loads(output)["status"] == "done"
    lines = [json.loads(line) for line in errors.splitlines()]
    assert {(line["service"], line["level"]) for line in lines} == {("seed", "warning")}


def attributes(span: Span) -> dict[str, str]:
    """Return what a span tells, as text."""
    return {each.key: each.value.string_value or str(each.value.int_value) for each in span.attributes}
