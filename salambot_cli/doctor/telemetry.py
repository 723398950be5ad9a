"""otlp.*: the doctor posts by hand, because the SDK counts a redirect as delivered."""

import asyncio
import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus, urlsplit

from salambot_cli.doctor.connection_findings import broken_url, http_failure, is_url
from salambot_cli.doctor.http_service import MOVED, ask, web_page
from salambot_cli.doctor.paths import blocked
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.host.probe_http import Answer, host_and_port
from salambot_cli.host.probe_tcp import ConnectResult, Reach, exchange
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding

CHECK = "otlp.export"
VARIABLE, _HEADERS = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"
_SETTINGS = 4
_EMPTY_EXPORT = b"\x0a\x00"
"""An ExportTraceServiceRequest with one ResourceSpans that holds nothing."""
_FRAME_HEADER = 9
SIGNALS = ("traces", "metrics", "logs")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A name that a header may have (RFC 9110): the SDK drops every other."""
_NEVER = frozenset({"always_off", "parentbased_always_off"})


def parse_headers(text: str) -> tuple[dict[str, str], list[str]]:
    """Read OTEL_EXPORTER_OTLP_HEADERS as the SDK does; return headers, and the names of entries that it drops."""
    headers: dict[str, str] = {}
    dropped: list[str] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = entry.partition("=")
        if not equals or _TOKEN.fullmatch(name.strip()) is None:
            dropped.append(name.strip().split(":")[0].split(" ")[0])
        else:
            headers[unquote_plus(name.strip()).lower()] = unquote_plus(value.strip().replace("+", "%2B"))
    return headers, dropped


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where telemetry goes, and how."""

    base: str
    headers: Mapping[str, str]
    dropped: tuple[str, ...]
    compressed: bool = False

    @property
    def host(self) -> str:
        """Return the receiver's name."""
        return host_and_port(self.base)[0]

    def url(self, signal: str, base: str | None = None) -> str:
        """Return what the exporter posts a signal to."""
        return f"{(base or self.base).rstrip('/')}/v1/{signal}"

    async def post(self, signal: str, base: str | None = None) -> Answer:
        """Export nothing, as the exporter exports something."""
        packed = {"content-encoding": "gzip"} if self.compressed else {}
        content = gzip.compress(_EMPTY_EXPORT) if self.compressed else _EMPTY_EXPORT
        headers = {"content-type": "application/x-protobuf", **packed, **self.headers}
        return await ask("POST", self.url(signal, base), headers=headers, content=content, seconds=5)


async def check_export(exam: ProbeContext) -> Finding:
    """Post an empty export of each signal, as the exporter would."""
    base = (exam.value(VARIABLE) or "").strip()
    if not is_url(base, ("http", "https")):
        return broken_url(CHECK, VARIABLE, "expected https://host[:port][/otlp]")
    if (exam.value("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf") == "grpc":
        evidence: Facts = {"host": host_and_port(base)[0], "protocol": "grpc", "kind": "configured"}
        command = "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        return fault("otlp.protocol", CHECK, "The services export http/protobuf, not grpc", evidence, (command,))
    if (stopped := await blocked(exam, CHECK, base, VARIABLE)) is not None:
        return stopped
    headers, dropped = parse_headers(exam.value("OTEL_EXPORTER_OTLP_HEADERS") or "")
    compressed = (exam.value("OTEL_EXPORTER_OTLP_COMPRESSION") or "").strip().lower() == "gzip"
    receiver = Receiver(base, headers, tuple(dropped), compressed)
    answers = dict(zip(SIGNALS, await asyncio.gather(*map(receiver.post, SIGNALS)), strict=True))
    if await _speaks_grpc(base, answers["traces"]):
        return _grpc(base)
    for signal in SIGNALS:
        failed = await _lost(receiver, signal, answers)
        if failed is not None:
            return failed
    return _never_sampled(exam) or ok(CHECK, f"{receiver.host} takes traces, metrics and logs")


async def _lost(receiver: Receiver, signal: str, answers: Mapping[str, Answer]) -> Finding | None:
    """Say why one signal is lost; where others are taken, that its path or its right is missing."""
    answer = answers[signal]
    failed = http_failure(CHECK, answer, VARIABLE) or await _judge(receiver, signal, answer)
    if failed is None or signal == "traces":
        return failed
    title = f"{failed.title}; {signal} are lost, and traces are taken"
    return replace(failed, title=title, evidence={**failed.evidence, "signal": signal})


def _never_sampled(exam: ProbeContext) -> Finding | None:
    sampler = (exam.value("OTEL_TRACES_SAMPLER") or "").strip().lower()
    share = (exam.value("OTEL_TRACES_SAMPLER_ARG") or "").strip()
    if sampler not in _NEVER and not (sampler.endswith("traceidratio") and re.fullmatch(r"0*\.?0*", share) and share):
        return None
    shown = f"{sampler} {share}".strip()
    title = f"OTEL_TRACES_SAMPLER is {shown}: no trace is ever recorded"
    commands = ("export OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.1",)
    evidence: Facts = {"variable": "OTEL_TRACES_SAMPLER", "sampler": sampler, "argument": share or None}
    return fault("otlp.never-sampled", CHECK, title, evidence, commands)


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


async def _judge(receiver: Receiver, signal: str, answer: Answer) -> Finding | None:
    host, url = receiver.host, receiver.url(signal)
    page = web_page(answer)
    evidence: Facts = {"url": url, "status": answer.status, "says": page or answer.text[:160]}
    match answer.status:
        case status if 200 <= status < 300:
            return _taken(host, signal, answer, evidence)
        case 404 | 405:
            return await _wrong_path(receiver, signal, answer, evidence)
        case 401 | 403 | 407:
            return _unauthorized(answer, evidence, receiver.headers, receiver.dropped)
        case 400 | 415 if receiver.compressed and await _takes_plain(receiver, signal):
            title = f"{host} takes {signal}, and not compressed ({answer.status})"
            commands = ("export OTEL_EXPORTER_OTLP_COMPRESSION=none",)
            return fault("otlp.protocol", CHECK, title, {**evidence, "kind": "compression"}, commands)
        case 415:
            title = f"{host} does not take http/protobuf (415)"
            return fault("otlp.protocol", CHECK, title, {**evidence, "kind": "content-type"}, (_PROTOCOL,))
        case status if status in MOVED:
            target = answer.headers.get("location", "")
            final = target.removesuffix(f"/v1/{signal}")
            title = f"{host} redirects to {target or 'nowhere'}: the exporter loses every trace without a word"
            return fault(
                "otlp.redirect-loss", CHECK, title, {**evidence, "location": target}, (f"export {VARIABLE}={final}",)
            )
        case 429:
            retry = answer.headers.get("retry-after")
            title = f"{host} takes fewer {signal} than it is sent (429)"
            commands = ("export OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.1",)
            return fault("otlp.throttled", CHECK, title, {**evidence, "retry_after": retry}, commands)
        case 0 if answer.contact is not None and answer.contact.reach is Reach.WRONG_PROTOCOL:
            title = f"{host} speaks no HTTP/1.1, which the exporter does"
            return fault("otlp.protocol", CHECK, title, {**evidence, "kind": "no-http"}, (_PROTOCOL,))
        case status:
            what = f"answers {status}" if status else "takes the connection and gives no answer"
            return fault("otlp.unavailable", CHECK, f"{host} {what}{f', with {page}' if page else ''}", evidence)


def _taken(host: str, signal: str, answer: Answer, evidence: Facts) -> Finding | None:
    """Look into an answer that counts as delivered: a sign-in page does too, and so does a rejection inside."""
    page = web_page(answer) or _no_receipt(answer)
    if page is not None:
        title = f"{host} answers 200 with {page}, which no OTLP receiver does: everything is lost without a word"
        text = (
            f"Something else answers at {VARIABLE}: correct the address, or sign in to the network's portal in a "
            "browser first. The exporter counts such an answer as delivered."
        )
        return fault("otlp.unavailable", CHECK, title, {**evidence, "kind": "no-receiver"}, text=text)
    rejected, why = partial_success(answer)
    if not rejected:
        return None
    title = f"{host} takes the request and rejects {rejected} of its {signal}: {why or 'no reason is given'}"
    return fault("otlp.rejected", CHECK, title, {**evidence, "says": why, "rejected": rejected, "signal": signal})


def _no_receipt(answer: Answer) -> str | None:
    """Describe a body that no receiver sends: plain text, or JSON that speaks of an error."""
    kind, body = answer.headers.get("content-type", ""), answer.json()
    if not answer.body.strip() or "protobuf" in kind:
        return None
    if isinstance(body, dict):
        return "an error inside" if body.get("status") == "error" or {"error", "errors"} & body.keys() else None
    return "plain text" if kind.startswith("text/") else None


def partial_success(answer: Answer) -> tuple[int, str]:
    """Read how many items a 200 rejects, and why."""
    if "json" in answer.headers.get("content-type", ""):
        body = answer.json()
        found = body.get("partialSuccess") if isinstance(body, dict) else None
        told = found if isinstance(found, dict) else {}
        count = next((str(v) for k, v in told.items() if str(k).startswith("rejected")), "0")
        return int(count) if count.isdecimal() else 0, str(told.get("errorMessage") or "")
    if not answer.body or "protobuf" not in answer.headers.get("content-type", ""):
        return 0, ""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # it ships no types
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:  # the three signals' answers have the same numbers of fields
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    except DecodeError:
        return 0, ""
    return partial.rejected_spans, partial.error_message


async def _takes_plain(receiver: Receiver, signal: str) -> bool:
    answer = await replace(receiver, compressed=False).post(signal)
    return 200 <= answer.status < 300


async def _wrong_path(receiver: Receiver, signal: str, answer: Answer, evidence: Facts) -> Finding:
    """Say which base is meant: without the path that the exporter adds, or where the receiver takes the signal."""
    title = f"{receiver.url(signal)} is not there ({answer.status})"
    text = "The endpoint is a base, to which the exporter adds /v1/traces, /v1/metrics and /v1/logs."
    parts = urlsplit(receiver.base)
    root = f"{parts.scheme}://{parts.netloc}"
    cut = re.sub(r"/v1/(traces|metrics|logs)/?\Z", "", receiver.base)
    if cut != receiver.base:
        title = (
            f"{VARIABLE} ends in {receiver.base.removeprefix(cut)}, which the exporter adds by itself ({answer.status})"
        )
        return fault(
            "otlp.wrong-path", CHECK, title, {**evidence, "kind": "doubled"}, (f"export {VARIABLE}={cut}",),
            text=f"{text} Take {receiver.base.removeprefix(cut)} away.",
        )  # fmt: skip
    for base in (f"{root}/otlp", f"{root}/api/v1/otlp", root):
        if base == receiver.base.rstrip("/"):
            continue
        found = await receiver.post(signal, base)
        if found.status and found.status not in {404, 405, *MOVED} and found.status < 500 and web_page(found) is None:
            return fault(
                "otlp.wrong-path", CHECK, title, {**evidence, "kind": "base"}, (f"export {VARIABLE}={base}",),
                text=f"{text} The receiver takes {signal} below {base}.",
            )  # fmt: skip
    return fault("otlp.wrong-path", CHECK, title, evidence, (f"curl -i -X POST {receiver.url(signal)}",), text=text)


_PROTOCOL = "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"


def _unauthorized(answer: Answer, evidence: Facts, headers: Mapping[str, str], dropped: Sequence[str]) -> Finding:
    kind = "syntax" if dropped else "refused" if "authorization" in headers else "missing"
    titles = {
        "syntax": f"{_HEADERS} is not `name=value` without quotes: {', '.join(dropped)} is dropped before it is sent",
        "refused": f"The receiver refuses the Authorization header ({answer.status})",
        "missing": f"The receiver asks for an Authorization header ({answer.status})",
    }
    commands = (
        'export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Basic%20$(printf \'%s\' "$INSTANCE_ID:$TOKEN" | base64 -w0)"',
    )
    return fault(
        "otlp.unauthorized",
        CHECK,
        titles[kind],
        {**evidence, "kind": kind, "dropped": list(dropped), "variable": _HEADERS},
        commands,
    )


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
            "otlp.rejected",
            "otlp.never-sampled",
        ),
        (),
        _by_otlp,
        seconds=20,
        parts=("telemetry",),
        reads=(
            VARIABLE,
            _HEADERS,
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "OTEL_TRACES_SAMPLER",
            "OTEL_TRACES_SAMPLER_ARG",
        ),
        after=("host.clock", "net.path"),
    ),
)
