"""A receiver that fails in every way: nothing of it reaches a request; what is lost is counted, and said once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from aiohttp import web
from opentelemetry.sdk.resources import Resource
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from salambot.telemetry.exporters import otlp_exporters
from salambot.telemetry.processors import MAX_WAITING
from salambot.telemetry.setup import Exporters, build_providers
from tests.fakes.otlp_receiver import Fault, OtlpReceiver, receiving

Lines = list[dict[str, object]]
UNDELIVERED = "telemetry is not delivered"


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"salambot_telemetry_{name}_total", labels) or 0.0


def lost(reason: str = "export_failed") -> float:
    return count("dropped", signal="traces", reason=reason)


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Exporters]:
    """Return a maker of exporters that are configured as a process is: by variables."""

    def make(endpoint: str, **environ: str) -> Exporters:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        for name, value in environ.items():
            monkeypatch.setenv(f"OTEL_{name}", value)
        return build_providers(otlp_exporters("test"), Resource.create({"service.name": "shop"}))

    return make


def work(exporters: Exporters, spans: int = 3) -> None:
    """Do something that has spans, and have them sent."""
    tracer = exporters.tracers.get_tracer("test")
    for _ in range(spans):
        with tracer.start_as_current_span("step"):
            pass
    exporters.tracers.force_flush()


def answering(status: int, **headers: str) -> Fault:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


def warnings(lines: Lines) -> list[str]:
    return [str(line["why"]) for line in lines if line["event"] == UNDELIVERED]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (answering(401), "does not accept OTEL_EXPORTER_OTLP_HEADERS (401)"),
        (answering(403), "does not accept OTEL_EXPORTER_OTLP_HEADERS (403)"),
        (answering(404), "takes nothing at this path (404)"),
        (answering(415), "does not take http/protobuf (415)"),
        (answering(429, Retry_After="3600"), "takes less than it is sent (429)"),
        (answering(500), "answers 500"),
        (answering(301, Location="https://elsewhere.example/otlp"), "redirects to https://elsewhere.example"),
        (answering(307, Location="/login?secret=1"), "redirects to another path"),
    ],
)
def test_a_refusal_is_counted_and_said_once(export: Callable[..., Exporters], fault: Fault, why: str) -> None:
    with receiving(OtlpReceiver(fault=fault)) as url, capture_logs() as lines:
        before = lost()
        exporters = export(url)
        for _ in range(3):
            work(exporters)
        assert lost() - before == 9
        exporters.stop(30)
    assert len(warnings(lines)) == 1
    assert why in warnings(lines)[0]
    assert "secret" not in str(lines)


def test_429_is_tried_again_when_the_receiver_asks_so(export: Callable[..., Exporters]) -> None:
    receiver = OtlpReceiver()

    async def once(_: web.Request) -> web.Response:
        receiver.fault = None
        return web.Response(status=429, headers={"Retry-After": "0"})

    with receiving(receiver) as url, capture_logs() as lines:
        exporters = export(url)
        receiver.fault = once
        work(exporters)
        exporters.stop(30)
    assert receiver.counts["traces"] == 3
    assert warnings(lines) == []


def test_nobody_listens(export: Callable[..., Exporters]) -> None:
    with receiving(OtlpReceiver()) as url:
        pass  # a port that was free a moment ago, and nobody is there any more
    with capture_logs() as lines:
        before = lost()
        exporters = export(url, EXPORTER_OTLP_TIMEOUT="0.2")
        work(exporters)
        assert lost() - before == 3
        exporters.stop(30)
    assert len(warnings(lines)) == 1
    assert "does not answer" in warnings(lines)[0]


def test_it_is_said_when_all_is_well_again(export: Callable[..., Exporters]) -> None:
    receiver = OtlpReceiver(fault=answering(401))
    with receiving(receiver) as url, capture_logs() as lines:
        exporters = export(url)
        work(exporters)
        receiver.fault = None
        work(exporters)
        exporters.stop(30)
    said = [line["event"] for line in lines]
    assert said == [UNDELIVERED, "telemetry is delivered again"]
    assert receiver.counts["traces"] == 3


@asynccontextmanager
async def grpc_only(host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Greet with an HTTP/2 SETTINGS frame and hang up, as a gRPC port does with HTTP/1.1."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, host, 0)
    async with server:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}"


async def test_a_grpc_port(export: Callable[..., Exporters]) -> None:
    async with grpc_only() as url:
        with capture_logs() as lines:
            exporters = export(url, EXPORTER_OTLP_TIMEOUT="0.2")
            await asyncio.to_thread(work, exporters)
            await asyncio.to_thread(exporters.stop, 30)
    assert len(warnings(lines)) == 1
    assert "gRPC" in warnings(lines)[0]


def test_grpc_is_asked_for_and_not_spoken(export: Callable[..., Exporters]) -> None:
    receiver = OtlpReceiver()
    with receiving(receiver) as url, capture_logs() as lines:
        exporters = export(url, EXPORTER_OTLP_PROTOCOL="grpc")
        work(exporters)
        exporters.stop(30)
    assert receiver.counts["traces"] == 3
    assert [line["wanted"] for line in lines] == ["grpc"]


def test_headers_that_cannot_be_sent(export: Callable[..., Exporters]) -> None:
    with receiving(OtlpReceiver()) as url, capture_logs() as lines:
        exporters = export(url, EXPORTER_OTLP_HEADERS="Authorization=Basic%0Aabc")
        work(exporters)
        exporters.stop(30)
    assert len(warnings(lines)) == 1
    assert "OTEL_EXPORTER_OTLP_HEADERS cannot be sent" in warnings(lines)[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_headers_in_another_form_than_name_equals_value(export: Callable[..., Exporters]) -> None:
    with receiving(OtlpReceiver(authorization="Basic abc")) as url, capture_logs() as lines:
        exporters = export(url, EXPORTER_OTLP_HEADERS="Authorization: Basic abc")
        work(exporters)
        exporters.stop(30)
    assert len(warnings(lines)) == 1
    assert "(401)" in warnings(lines)[0]


def test_headers_percent_encoded_as_grafana_has_them(export: Callable[..., Exporters]) -> None:
    receiver = OtlpReceiver(authorization="Basic MTIzOmdsY19hYmM=")
    with receiving(receiver) as url:
        exporters = export(url, EXPORTER_OTLP_HEADERS="Authorization=Basic%20MTIzOmdsY19hYmM%3D")
        work(exporters)
        exporters.stop(30)
    assert receiver.counts["traces"] == 3


@contextmanager
def held() -> Iterator[tuple[Fault, threading.Event]]:
    """Yield a fault that answers nobody until the event is set, or the block is over."""
    release = threading.Event()

    async def wait(_: web.Request) -> web.Response:
        await asyncio.to_thread(release.wait, 60)
        return web.Response()

    try:
        yield wait, release
    finally:
        release.set()


def test_a_receiver_that_takes_too_long(export: Callable[..., Exporters]) -> None:
    with held() as (fault, _), receiving(OtlpReceiver(fault=fault)) as url, capture_logs() as lines:
        before = lost()
        exporters = export(url, EXPORTER_OTLP_TIMEOUT="0.2")
        for _ in range(2):
            work(exporters)
        assert lost() - before == 6
        exporters.stop(30)
    assert len(warnings(lines)) == 1
    assert "takes too long to answer" in warnings(lines)[0]


def test_stopping_does_not_wait_for_a_receiver_that_hangs(export: Callable[..., Exporters]) -> None:
    with held() as (fault, release), receiving(OtlpReceiver(fault=fault)) as url, capture_logs() as lines:
        exporters = export(url)
        with exporters.tracers.get_tracer("test").start_as_current_span("step"):
            pass
        exporters.stop(0.2)
        assert not release.is_set()  # it never answered, and we are here
        release.set()
    assert "telemetry is not all delivered: its receiver was too slow at the end" in [line["event"] for line in lines]


def test_what_is_pending_leaves_at_the_end(export: Callable[..., Exporters]) -> None:
    receiver = OtlpReceiver()
    with receiving(receiver) as url:
        exporters = export(url)
        tracer = exporters.tracers.get_tracer("test")
        for _ in range(100):
            with tracer.start_as_current_span("step"):
                pass
        exporters.stop(30)
    assert receiver.counts["traces"] == 100
    assert receiver.counts["metrics"] > 0


def test_a_burst_of_a_million_spans_is_bounded_and_counted(export: Callable[..., Exporters]) -> None:
    burst = 1_000_000
    receiver = OtlpReceiver()
    with held() as (fault, release), receiving(receiver) as url:
        receiver.fault = fault
        before = lost("queue_full"), lost(), count("exported", signal="traces")
        exporters = export(url)
        tracer = exporters.tracers.get_tracer("test")
        span = tracer.start_span("step")
        for _ in range(burst):
            exporters.spans.on_end(span)
        waiting = burst - (lost("queue_full") - before[0])
        assert waiting <= 2 * MAX_WAITING
        receiver.fault = None
        release.set()
        exporters.stop(60)
        ended = lost("queue_full"), lost(), count("exported", signal="traces")
    assert sum(after - first for after, first in zip(ended, before, strict=True)) == burst


async def test_a_request_waits_for_nothing(export: Callable[..., Exporters]) -> None:
    """Spans end while the receiver holds every request: the loop is free all along."""
    with held() as (fault, release), receiving(OtlpReceiver(fault=fault)) as url:
        exporters = export(url)
        tracer = exporters.tracers.get_tracer("test")

        async def request() -> None:
            with tracer.start_as_current_span("request"):
                await asyncio.sleep(0)

        await asyncio.gather(*(request() for _ in range(2000)))
        assert not release.is_set()
        await asyncio.to_thread(exporters.stop, 0.1)
