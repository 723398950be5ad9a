"""sec.* on this machine: consoles that listen to everybody, secrets in files, persons in logs and labels."""

import asyncio
import re

from salambot_cli.components.variables import is_secret
from salambot_cli.config.secret_strength import well_known_passwords
from salambot_cli.doctor.log_tail import PERSONAL
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.doctor.stack import gateway_url
from salambot_cli.host.dotenv_file import file_exposure
from salambot_cli.host.log_files import tail
from salambot_cli.host.ports import wildcard_listeners
from salambot_cli.host.probe_http import request
from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.model.topology import PROGRAMS
from salambot_cli.stack.choose_runtime import running_runtime

CONSOLES, FILES, PASSWORDS, PERSONS = "sec.consoles", "sec.files", "sec.passwords", "sec.personal-data"
_KNOWN_PORTS = frozenset({*range(3000, 3011), 3100, *range(9000, 9010), *range(9090, 9100)})
_MARKS = {
    "Grafana": ("/api/health", re.compile(r'"database"\s*:|grafana', re.IGNORECASE)),
    "Prometheus": ("/-/healthy", re.compile(r"prometheus", re.IGNORECASE)),
    "MinIO": ("/minio/health/live", re.compile(r"minio", re.IGNORECASE)),
}
_LOG_LINES = 5000
_JSON_FIELD = re.compile(r'"([A-Za-z_][\w.-]{0,60})"\s*:\s*"((?:[^"\\]|\\.)*)"')
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')


async def check_consoles(exam: ProbeContext) -> list[Finding] | Finding:  # noqa: ARG001 - every probe takes it
    """Does Grafana, Prometheus or MinIO answer on a wildcard address?"""
    listeners = await asyncio.to_thread(wildcard_listeners)
    ports = sorted({port for port in listeners if port in _KNOWN_PORTS or listeners[port] in _NAMES})
    found = await asyncio.gather(*(_console_at(port) for port in ports))
    open_ = [(name, port) for name, port in zip(found, ports, strict=True) if name is not None]
    return [_public(name, port) for name, port in open_] or ok(CONSOLES, "No console listens to everybody")


_NAMES = frozenset({"grafana", "grafana-server", "prometheus", "minio"})


async def _console_at(port: int) -> str | None:
    """Name the console on a port; one that listens on IPv6 alone is not behind 127.0.0.1."""
    return await _console_behind(f"127.0.0.1:{port}") or await _console_behind(f"[::1]:{port}")


async def _console_behind(address: str) -> str | None:
    for name, (path, mark) in _MARKS.items():
        answer = await request("GET", f"http://{address}{path}", proxies=False, seconds=1.5)
        server = answer.headers.get("server", "")
        if answer.status == 200 and (mark.search(answer.text) or mark.search(server)):
            return name
        if not answer.status:
            return None
    return None


def _public(name: str, port: int) -> Finding:
    evidence: Facts = {"console": name, "port": port, "address": "every interface"}
    title = f"{name} on port {port} listens to everybody"
    text = f"Bind it to 127.0.0.1 (in Compose: `127.0.0.1:{port}:{port}`); reach it by VPN or SSO."
    return fault("sec.console-public", CONSOLES, title, evidence, (f"ss -ltnp 'sport = :{port}'",), text=text)


async def check_files(exam: ProbeContext) -> list[Finding] | Finding:
    """Secrets in `.env` beside Secrets Manager, `.env` in git."""
    environment = exam.environment
    findings = _clear_secrets(environment)
    findings += await asyncio.to_thread(_exposed, environment)
    return findings or ok(FILES, "No secret stands where it does not belong")


def _exposed(environment: Environment) -> list[Finding]:
    """Say who else gets to see `.env`, where a secret stands in it: `up` refuses to start with it."""
    dotenv = environment.variables_file
    held = sorted(v.name for v in environment.variables.values() if v.layer == ".env" and is_secret(v.name))
    found = file_exposure(dotenv) if dotenv.is_file() else None
    if found is None or not (held or "git" in found[0]):
        return []
    why, fix = found
    command, _, more = fix.partition("; then ")
    title = f".env is seen by others: {why}"
    text = (
        f"`up` refuses to start with it. Run the command{f', then {more}' if more else ''}; whoever saw a secret "
        "may still use it: rotate it."
    )
    evidence: Facts = {"file": str(dotenv), "kind": "exposed", "why": why, "holds": held}
    return [fault("sec.weak-credentials", FILES, title, evidence, (command,), text=text)]


async def check_passwords(exam: ProbeContext) -> list[Finding] | Finding:
    """Is a password towards the cloud one that everybody knows?"""
    return _weak_passwords(exam) or ok(PASSWORDS, "No well-known password")


def _weak_passwords(exam: ProbeContext) -> list[Finding]:
    findings: list[Finding] = []
    urls = {name: exam.value(name) for name in ("POSTGRES_URL", "REDIS_URL")}
    for name, host in well_known_passwords(exam.environment, urls):
        evidence: Facts = {"variable": name, "host": host, "kind": "well-known"}
        findings.append(
            fault("sec.weak-credentials", PASSWORDS, f"The password in {name} is a well-known one", evidence)
        )
    return findings


def _clear_secrets(environment: Environment) -> list[Finding]:
    if environment.placement("secrets") != "aws":
        return []
    held = sorted(v.name for v in environment.variables.values() if is_secret(v.name) and v.layer == ".env")
    if not held:
        return []
    evidence: Facts = {"variables": held, "file": str(environment.variables_file), "kind": "clear"}
    title = f"secrets = aws, and .env holds {', '.join(held)} in clear"
    commands = ("salambot secrets push",)
    return [fault("sec.weak-credentials", FILES, title, evidence, commands)]


async def check_persons(exam: ProbeContext) -> list[Finding] | Finding:
    """A phone number, address or identity number in logs, metric labels or resource attributes: field, never value."""
    places: dict[str, str] = {}
    for name, text in (await _logs(exam.environment)).items():
        places.update(in_log(name, text))
    base = await gateway_url(exam)
    if base is not None:
        answer = await request("GET", f"{base}/metrics", proxies=False)
        places.update({f"label {f} of /metrics": kind for f, kind in _personal_fields(_LABEL, answer.text).items()})
    attributes = exam.value("OTEL_RESOURCE_ATTRIBUTES") or ""
    if kind := personal_kind(attributes):
        places["OTEL_RESOURCE_ATTRIBUTES"] = kind
    if not places:
        return ok(PERSONS, "No customer's data in logs and labels")
    found = [f"{place}: {kind}" for place, kind in sorted(places.items())]
    title = f"Customers' data in {', '.join(sorted(places)[:3])}"
    return fault("sec.pii-telemetry", PERSONS, title, {"found": found})


async def _logs(environment: Environment) -> dict[str, str]:
    """Return the end of every log: the files here, and what containers wrote."""
    folder = environment.state / "logs"
    files = {path.name: path for path in sorted(folder.glob("*.log"))} if folder.is_dir() else {}
    texts = {name: await asyncio.to_thread(tail, path, _LOG_LINES) for name, path in files.items()}
    runtime = running_runtime(environment)
    if runtime.name == "compose" and read_state(environment.root).asked_up:
        ends = await asyncio.gather(*(runtime.tail(environment, name, _LOG_LINES) for name in PROGRAMS))
        texts |= {f"{name}'s container": list(end) for name, end in zip(PROGRAMS, ends, strict=True)}
    return {name: "\n".join(lines) for name, lines in texts.items()}


def in_log(name: str, text: str) -> dict[str, str]:
    """Return where a log holds personal data, and of which kind: place -> kind."""
    fields = {f"field {field} of {name}": kind for field, kind in _personal_fields(_JSON_FIELD, text).items()}
    if fields:
        return fields
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("{"))
    kind = personal_kind(plain)
    return {f"lines of {name}": kind} if kind else {}


def _personal_fields(pattern: re.Pattern[str], text: str) -> dict[str, str]:
    fields = [(found.group(1), found.group(2)) for found in pattern.finditer(text)]
    kinds = ((name, personal_kind(value)) for name, value in fields if not _is_code(name, value))
    return {name: kind for name, kind in kinds if kind is not None}


_OF_A_PERSON = re.compile(
    r"cin|cni|card|carte|identi|national|customer|client|user|person|patient|passport", re.IGNORECASE
)


def _is_code(name: str, value: str) -> bool:
    """Return whether a value is only a code: a build or order number looks like an identity number."""
    return PERSONAL["cin"].fullmatch(value) is not None and _OF_A_PERSON.search(name) is None


def personal_kind(text: str) -> str | None:
    """Return what kind of personal data a text holds, or None."""
    return next((kind for kind, pattern in PERSONAL.items() if pattern.search(text)), None)


_GROUP = "security"
PROBES = (
    Probe(CONSOLES, _GROUP, "Consoles", check_consoles, ("sec.console-public",), competes=False),
    Probe(FILES, _GROUP, "Secrets in files", check_files, ("sec.weak-credentials",), ("config.parse",), competes=False),
    Probe(
        PASSWORDS,
        _GROUP,
        "Well-known passwords",
        check_passwords,
        ("sec.weak-credentials",),
        competes=False,
        reads=("POSTGRES_URL", "REDIS_URL"),
    ),
    Probe(
        PERSONS,
        _GROUP,
        "Customers' data in telemetry",
        check_persons,
        ("sec.pii-telemetry",),
        competes=False,
        reads=("OTEL_RESOURCE_ATTRIBUTES",),
    ),
)
