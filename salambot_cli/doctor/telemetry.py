"""otlp.*: the doctor posts by hand, because the SDK counts a redirect as delivered."""

from urllib.parse import unquote_plus

from salambot_cli.doctor.connection_findings import broken_url, http_failure, is_url
from salambot_cli.doctor.paths import blocked
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.host.probe_http import Answer, host_and_port, request
from salambot_cli.host.probe_tcp import ConnectResult, Reach, exchange
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding

CHECK = "otlp.export"
VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SETTINGS = 4
_EMPTY_EXPORT = b"\x0a\x00"
"""An ExportTraceServiceRequest with one ResourceSpans that holds nothing."""
_FRAME_HEADER = 9


def parse_headers(text: str) -> tuple[dict[str, str], list[str]]:
    """Read OTEL_EXPORTER_OTLP_HEADERS as the SDK does; return headers, and the names of entries that it drops."""
    headers: dict[str, str] = {}
    dropped: list[str] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = entry.partition("=")
        if not equals or " " in name.strip() or ":" in name:
            dropped.append(name.split(":")[0].split(" ")[0])
        else:
            headers[unquote_plus(name.strip()).lower()] = unquote_plus(value.strip().replace("+", "%2B"))
    return headers, dropped


async def check_export(exam: ProbeContext) -> Finding:
    """Post an empty export to the traces path, as the exporter would."""
    base = (exam.value(VARIABLE) or "").strip()
    if not is_url(base, ("http", "https")):
        return broken_url(CHECK, VARIABLE, "expected https://host[:port][/otlp]")
    if (exam.value("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf") == "grpc":
        evidence: Facts = {"host": host_and_port(base)[0], "protocol": "grpc", "kind": "configured"}
        command = "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        return fault("otlp.protocol", CHECK, "The services export http/protobuf, not grpc", evidence, (command,))
    if (stopped := await blocked(exam, CHECK, base, VARIABLE)) is not None:
        return stopped
    url = f"{base.rstrip('/')}/v1/traces"
    headers, dropped = parse_headers(exam.value("OTEL_EXPORTER_OTLP_HEADERS") or "")
    answer = await request(
        "POST", url, headers={"content-type": "application/x-protobuf", **headers}, content=_EMPTY_EXPORT, seconds=5
    )
    if await _speaks_grpc(base, answer):
        return _grpc(base)
    return http_failure(CHECK, answer, VARIABLE) or _judge(url, answer, headers, dropped)


async def _speaks_grpc(base: str, answer: Answer) -> bool:
    """A gRPC port greets with an HTTP/2 SETTINGS frame: 3 bytes of length, then type 4 on stream 0."""
    if answer.contact is None or answer.contact.reach in {
        Reach.UNKNOWN_NAME,
        Reach.REFUSED,
        Reach.NO_ROUTE,
        Reach.UNTRUSTED,
    }:
        return False
    host, port = host_and_port(base)
    try:
        reply = await exchange(
            ConnectResult(Reach.OPEN, host, port),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        )
    except (OSError, TimeoutError):
        return False
    return len(reply) >= _FRAME_HEADER and reply[3] == _SETTINGS and reply[5:9] == b"\x00\x00\x00\x00"


def _grpc(base: str) -> Finding:
    host, port = host_and_port(base)
    evidence: Facts = {"host": host, "port": port, "answer": "HTTP/2 SETTINGS", "kind": "grpc-port"}
    title = f"{host}:{port} speaks gRPC, and the exporter http/protobuf"
    http = base.replace(f":{port}", ":4318")
    commands = ("export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", f"export {VARIABLE}={http}")
    return fault("otlp.protocol", CHECK, title, evidence, commands)


def _judge(url: str, answer: Answer, headers: dict[str, str], dropped: list[str]) -> Finding:
    host = host_and_port(url)[0]
    evidence: Facts = {"url": url, "status": answer.status, "says": answer.text[:120]}
    match answer.status:
        case status if 200 <= status < 300:
            return ok(CHECK, f"{host} takes traces")
        case 404 | 405:
            title = f"{url} is not there ({answer.status})"
            command = f"export {VARIABLE}=https://otlp-gateway-ZONE.grafana.net/otlp"
            return fault("otlp.wrong-path", CHECK, title, evidence, (command,))
        case 401 | 403:
            return _unauthorized(answer, evidence, headers, dropped)
        case 415:
            title = f"{host} does not take http/protobuf (415)"
            return fault("otlp.protocol", CHECK, title, {**evidence, "kind": "content-type"}, (_PROTOCOL,))
        case 301 | 302 | 303 | 307 | 308:
            target = answer.headers.get("location", "")
            final = target.removesuffix("/v1/traces")
            title = f"{host} redirects to {target or 'nowhere'}: the exporter loses every trace without a word"
            return fault(
                "otlp.redirect-loss", CHECK, title, {**evidence, "location": target}, (f"export {VARIABLE}={final}",)
            )
        case 429:
            retry = answer.headers.get("retry-after")
            title = f"{host} takes fewer traces than it is sent (429)"
            commands = ("export OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.1",)
            return fault("otlp.throttled", CHECK, title, {**evidence, "retry_after": retry}, commands)
        case 0 if answer.contact is not None and answer.contact.reach is Reach.WRONG_PROTOCOL:
            title = f"{host} speaks no HTTP/1.1, which the exporter does"
            return fault("otlp.protocol", CHECK, title, {**evidence, "kind": "no-http"}, (_PROTOCOL,))
        case status:
            what = f"answers {status}" if status else "takes the connection and gives no answer"
            return fault("otlp.unavailable", CHECK, f"{host} {what}", evidence)


_PROTOCOL = "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"


def _unauthorized(answer: Answer, evidence: Facts, headers: dict[str, str], dropped: list[str]) -> Finding:
    kind = "syntax" if dropped else "refused" if "authorization" in headers else "missing"
    titles = {
        "syntax": f"OTEL_EXPORTER_OTLP_HEADERS is not `name=value`: {', '.join(dropped)} is dropped before it is sent",
        "refused": f"The receiver refuses the Authorization header ({answer.status})",
        "missing": f"The receiver asks for an Authorization header ({answer.status})",
    }
    commands = (
        'export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Basic%20$(printf \'%s\' "$INSTANCE_ID:$TOKEN" | base64 -w0)"',
    )
    return fault("otlp.unauthorized", CHECK, titles[kind], {**evidence, "kind": kind, "dropped": dropped}, commands)


def _by_otlp(environment: Environment) -> bool:
    return environment.placement("telemetry") == "otlp"


PROBES = (
    Probe(
        CHECK,
        "telemetry",
        "Telemetry: the OTLP receiver",
        check_export,
        (
            "otlp.wrong-path",
            "otlp.unauthorized",
            "otlp.protocol",
            "otlp.redirect-loss",
            "otlp.throttled",
            "otlp.unavailable",
        ),
        (),
        _by_otlp,
        seconds=20,
        parts=("telemetry",),
        reads=(VARIABLE, "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_HEADERS"),
        after=("host.clock", "net.path"),
    ),
)
