"""A collector that speaks OTLP over HTTP with protobuf and tells what arrived: `python -m tests.fakes.otlp_receiver`.

`GET /received` answers `{"traces": spans, "metrics": points, "logs": records, "services": [...]}`.
"""

import argparse
import asyncio
import gzip
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from aiohttp import web
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Fault = Callable[[web.Request], Awaitable[web.Response]]
Export = ExportTraceServiceRequest | ExportMetricsServiceRequest | ExportLogsServiceRequest
_KINDS: dict[str, type[Export]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


@dataclass
class OtlpReceiver:
    """What arrived: counts by kind, names of services, the requests themselves, and their headers."""

    authorization: str | None = None
    """The `Authorization` header to ask for; another one is answered by 401."""
    counts: Counter[str] = field(default_factory=Counter)
    services: set[str] = field(default_factory=set)
    exports: list[Export] = field(default_factory=list)
    fault: Fault | None = None
    """What to do in place of receiving."""
    refused: Counter[str] = field(default_factory=Counter)
    """Requests that met the fault, by kind."""

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application(client_max_size=16 * 1024 * 1024)
        for kind in _KINDS:
            app.router.add_post(f"/v1/{kind}", self._receiver(kind))
        app.router.add_get("/received", self._received)
        return app

    def _receiver(self, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def receive(request: web.Request) -> web.Response:
            if self.fault is not None:
                self.refused[kind] += 1
                return await self.fault(request)
            if self.authorization and request.headers.get("Authorization") != self.authorization:
                return web.Response(status=401)
            if request.content_type != "application/x-protobuf":
                return web.Response(status=415)
            body = await request.read()
            export = _KINDS[kind]()
            try:
                # aiohttp undoes the compression of what it knows; the exporter's gzip is such a one.
                export.ParseFromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
            except DecodeError:
                return web.Response(status=400)
            self._note(export)
            return web.Response(body=b"", content_type="application/x-protobuf")

        return receive

    def _note(self, export: Export) -> None:
        self.exports.append(export)
        if isinstance(export, ExportTraceServiceRequest):
            resources = [each.resource for each in export.resource_spans]
            self.counts["traces"] += sum(len(s.spans) for each in export.resource_spans for s in each.scope_spans)
        elif isinstance(export, ExportMetricsServiceRequest):
            resources = [each.resource for each in export.resource_metrics]
            self.counts["metrics"] += sum(
                len(s.metrics) for each in export.resource_metrics for s in each.scope_metrics
            )
        else:
            resources = [each.resource for each in export.resource_logs]
            self.counts["logs"] += sum(len(s.log_records) for each in export.resource_logs for s in each.scope_logs)
        self.services |= {
            attribute.value.string_value
            for resource in resources
            for attribute in resource.attributes
            if attribute.key == "service.name"
        }

    def spans(self, trace_id: str | None = None) -> list[tuple[str, Span]]:
        """Return the spans that arrived, each with its service; those of one trace, by its id in hexadecimal."""
        return [
            (service_of(resource.resource), span)
            for export in self.exports
            if isinstance(export, ExportTraceServiceRequest)
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if trace_id is None or span.trace_id.hex() == trace_id
        ]

    async def _received(self, _: web.Request) -> web.Response:
        return web.json_response({**{kind: self.counts[kind] for kind in _KINDS}, "services": sorted(self.services)})


def service_of(resource: Resource) -> str:
    """Return the `service.name` of a resource."""
    return next(each.value.string_value for each in resource.attributes if each.key == "service.name")


def receiving(receiver: OtlpReceiver) -> AbstractContextManager[str]:
    """Serve a receiver in a thread of its own; yield its URL."""
    return served(receiver.app())


@contextmanager
def served(app: web.Application) -> Iterator[str]:
    """Serve an application in a thread of its own, for tests that wait for other processes; yield its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)

    async def listen() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    try:
        yield f"http://127.0.0.1:{asyncio.run_coroutine_threadsafe(listen(), loop).result(10)}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4318)
    arguments = parser.parse_args()
    web.run_app(OtlpReceiver().app(), host=arguments.host, port=arguments.port)


if __name__ == "__main__":
    main()
