"""A collector that speaks OTLP over HTTP with protobuf and tells what arrived: `python -m tests.fakes.otlp_receiver`.

`GET /received` answers `{"traces": spans, "metrics": points, "logs": records, "services": [...]}`.
"""

import argparse
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

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

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application(client_max_size=16 * 1024 * 1024)
        for kind in _KINDS:
            app.router.add_post(f"/v1/{kind}", self._receiver(kind))
        app.router.add_get("/received", self._received)
        return app

    def _receiver(self, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def receive(request: web.Request) -> web.Response:
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

    async def _received(self, _: web.Request) -> web.Response:
        return web.json_response({**{kind: self.counts[kind] for kind in _KINDS}, "services": sorted(self.services)})


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4318)
    arguments = parser.parse_args()
    web.run_app(OtlpReceiver().app(), host=arguments.host, port=arguments.port)


if __name__ == "__main__":
    main()
