"""net.path: the way to every HTTPS service at once. One broken resolver, proxy or inspector is one cause."""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from salambot_cli.doctor.cloud import account, touches_aws
from salambot_cli.doctor.connection_findings import (
    broken_url,
    certificate_finding,
    connection_finding,
    filtered_finding,
    inspected,
    is_url,
    portal,
    proxy_refuses,
    stalled,
)
from salambot_cli.doctor.origins import is_from_vault
from salambot_cli.doctor.probe import Probe, ProbeContext, ok
from salambot_cli.host.clock import Greeting, greet
from salambot_cli.host.https_path import HttpsPath, trace_https
from salambot_cli.host.probe_http import host_and_port
from salambot_cli.host.probe_tcp import ConnectResult, Reach, resolve_contact
from salambot_cli.host.tls import tls_context
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Finding
from salambot_cli.model.topology import Component

CHECK = "net.path"
AWS_VARIABLES = (
    "AWS_REGION",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CA_BUNDLE",
)
_WITNESS = "checkip.amazonaws.com"
"""A name that always exists: it tells a dead resolver from one unknown name."""


@dataclass(frozen=True, slots=True)
class Service:
    """An HTTPS service: the check that speaks to it first, and the variable that says where it is."""

    check: str
    variable: str
    usual: str
    applies: Callable[[Environment], bool]


SERVICES = (
    Service(
        "vector.access",
        "PINECONE_CONTROLLER_HOST",
        "https://api.pinecone.io",
        lambda e: e.placement("vector") == "pinecone",
    ),
    Service("vector.access", "QDRANT_URL", "", lambda e: e.placement("vector") == "qdrant"),
    Service("openai.access", "OPENAI_BASE_URL", "https://api.openai.com/v1", lambda e: e.placement("llm") == "openai"),
    Service("openai.embeddings", "OPENAI_EMBEDDING_BASE_URL", "", lambda e: e.value("EMBEDDER") == "openai"),
    Service("otlp.export", "OTEL_EXPORTER_OTLP_ENDPOINT", "", lambda e: e.placement("telemetry") == "otlp"),
)
_STORES: tuple[tuple[Component, str, str], ...] = (
    ("postgres", "POSTGRES_URL", "rds.dns"),
    ("redis", "REDIS_URL", "redis.dns"),
)


async def path_of(exam: ProbeContext, url: str, ca: str | None = None) -> HttpsPath:
    """Go the way to a URL, once for each run and host."""
    context = _context(ca)
    host, port = host_and_port(url)
    return await exam.once(f"path:{urlsplit(url).scheme}:{host}:{port}", lambda: trace_https(url, context))


def _context(ca: str | None) -> ssl.SSLContext:
    try:
        return tls_context(ca)
    except (OSError, ssl.SSLError):
        return tls_context()


async def blocked(exam: ProbeContext, check: str, url: str, variable: str) -> Finding | None:
    """Say what stands in the way of an HTTPS service; None where a request can be sent."""
    if not is_url(url, ("http", "https")):
        return broken_url(check, variable, "expected https://host[:port][/path]")
    return explain_path(check, await path_of(exam, url), variable)


def explain_path(check: str, path: HttpsPath, variable: str, ca: str | None = None) -> Finding | None:
    """Name the rung that broke. What accepts and then speaks another protocol is for the service's own check."""
    contact = path.contact
    if path.refusal is not None:
        return proxy_refuses(check, path, variable)
    if contact.proxy and contact.reach in {Reach.MUTE, Reach.RESET, Reach.WRONG_PROTOCOL}:
        return proxy_refuses(check, path, variable)
    if not contact.is_open:
        return connection_finding(check, contact, variable) or filtered_finding(check, contact, variable)
    if path.certificate is None:
        return None
    match path.certificate.contact.reach:
        case Reach.UNTRUSTED:
            return certificate_finding(
                check, path.certificate, variable, ca, proxy=path.proxy, host=path.host, port=path.port
            )
        case Reach.MUTE:
            return stalled(check, path.host, path.port, variable, path.proxy)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Ways:
    """The facts seen on every way out."""

    paths: dict[str, HttpsPath] = field(default_factory=dict)
    """Check -> the way to its service."""
    names: dict[str, ConnectResult] = field(default_factory=dict)
    """Check -> whether the name of its store resolves."""
    witness: ConnectResult | None = None
    leads: dict[str, str | None] = field(default_factory=dict)
    """Check -> where its open way leads whoever comes without a key."""


@dataclass(frozen=True, slots=True)
class Shared:
    """One cause and the checks that it explains."""

    finding: Finding
    checks: tuple[str, ...]


def shared_cause(ways: Ways) -> Shared | None:
    """Decide whether several failures have one cause. Pure: the table of its cases is in the tests."""
    for decide in (_resolver, _proxy, _portal, _inspector, _one_state):
        if (found := decide(ways)) is not None:
            return found
    return None


def _resolver(ways: Ways) -> Shared | None:
    asked = {**{c: p.contact for c, p in ways.paths.items() if p.proxy is None}, **ways.names}
    unknown = {c: a for c, a in asked.items() if a.reach is Reach.UNKNOWN_NAME}
    known = [a for a in asked.values() if a.reach is not Reach.UNKNOWN_NAME and _is_name(a.host)]
    lonely = ways.witness is not None and ways.witness.reach is Reach.UNKNOWN_NAME
    if not unknown or known or not (lonely or len({a.host for a in unknown.values()}) > 1):
        return None
    first = next(iter(unknown.values()))
    found = connection_finding(
        CHECK, first, "every host of this environment", all_names=sorted({a.host for a in unknown.values()})
    )
    return Shared(found, tuple(unknown)) if found else None


def _is_name(host: str) -> bool:
    return not (host == "localhost" or ":" in host or host.replace(".", "").isdigit())


def _proxy(ways: Ways) -> Shared | None:
    proxied = {check: path for check, path in ways.paths.items() if path.proxy}
    broken = {c: p for c, p in proxied.items() if p.refusal is not None or not p.contact.is_open}
    if not broken:
        return None
    alike = {(p.contact.reach, p.refusal) for p in broken.values()}
    wants_login = all(p.refusal == _LOGIN for p in broken.values())
    if len(alike) > 1 or not (wants_login or len(broken) == len(proxied)):
        return None
    found = explain_path(CHECK, next(iter(broken.values())), "HTTPS_PROXY")
    return Shared(found, tuple(broken)) if found else None


_LOGIN = 407


def _portal(ways: Ways) -> Shared | None:
    """Every service sends people to one place, or shows them a page: one thing on the way answers for them all."""
    places = set(ways.leads.values())
    hosts = {ways.paths[check].host for check in ways.leads}
    place = next(iter(places)) if len(places) == 1 else None
    if place is None or len(hosts) < _SEVERAL or place in hosts:
        return None
    first = ways.paths[next(iter(ways.leads))]
    return Shared(portal(CHECK, first, place, sorted(hosts)), tuple(ways.leads))


_SEVERAL = 2


def _inspector(ways: Ways) -> Shared | None:
    """The same issuer, which nobody here trusts, signs for several hosts: somebody on the way opens TLS."""
    bad = {c: p for c, p in ways.paths.items() if p.reach is Reach.UNTRUSTED and p.certificate}
    issuers: dict[str, dict[str, HttpsPath]] = {}
    for check, path in bad.items():
        issuers.setdefault(path.certificate.issuer if path.certificate else "", {})[check] = path
    for issuer, paths in issuers.items():
        if issuer and len({p.host for p in paths.values()}) > 1:
            return Shared(inspected(CHECK, list(paths.values())), tuple(paths))
    return None


def _one_state(ways: Ways) -> Shared | None:
    """Silence, no route or a stalled handshake everywhere is this machine's network, not the services'."""
    direct = {c: p for c, p in ways.paths.items() if p.proxy is None and _is_name(p.host)}
    for state in (Reach.SILENT, Reach.NO_ROUTE, Reach.MUTE):
        alike = {c: p for c, p in direct.items() if p.reach is state}
        if len({p.host for p in alike.values()}) > 1 and len(alike) == len(direct):
            first = next(iter(alike.values()))
            found = explain_path(CHECK, first, "every HTTPS service")
            return Shared(found, tuple(alike)) if found else None
    return None


_ANSWERS = frozenset({Reach.OPEN, Reach.UNTRUSTED})


async def ways_of(exam: ProbeContext) -> Ways:
    """Go every way at once, once for each run."""
    return await exam.once("ways", lambda: _every_way(exam))


async def greeting_of(exam: ProbeContext, url: str) -> Greeting:
    """Ask a service for nothing, once for each run."""
    return await exam.once(f"greeting:{url}", lambda: greet(url))


async def _every_way(exam: ProbeContext) -> Ways:
    environment = exam.environment
    wanted = {
        service.check: exam.value(service.variable) or service.usual
        for service in SERVICES
        if service.applies(environment)
    }
    wanted = {check: url if "://" in url else f"https://{url}" for check, url in wanted.items() if url}
    cas: dict[str, str | None] = {}
    if touches_aws(environment):
        aws = await account(exam)
        wanted["aws.credentials"], cas["aws.credentials"] = aws.url("sts"), aws.ca_bundle
    usable = {check: url for check, url in wanted.items() if is_url(url, ("http", "https"))}
    paths, names = await asyncio.gather(
        asyncio.gather(*(path_of(exam, url, cas.get(check)) for check, url in usable.items())), _names_of(exam)
    )
    ways = Ways(dict(zip(usable, paths, strict=True)), names)
    if _is_lonely(ways) and not exam.offline:
        return Ways(ways.paths, ways.names, await resolve_contact(_WITNESS, 443))
    return ways


def _is_lonely(ways: Ways) -> bool:
    contacts: Iterable[ConnectResult] = (*(p.contact for p in ways.paths.values()), *ways.names.values())
    return any(c.reach is Reach.UNKNOWN_NAME for c in contacts)


async def _names_of(exam: ProbeContext) -> dict[str, ConnectResult]:
    """Look up the stores' names; behind `[aws] jump` they need not be known here."""
    hosts: dict[str, str] = {}
    if exam.environment.aws.jump is not None:
        return {}
    for component, variable, check in _STORES:
        if exam.environment.placement(component) == "cloud" and not is_from_vault(exam.environment, variable):
            host = host_and_port(exam.value(variable) or "")[0]
            if host and _is_name(host) and "/" not in host:
                hosts[check] = host
    found = await asyncio.gather(*(resolve_contact(host, 443) for host in hosts.values()))
    return dict(zip(hosts, found, strict=True))


async def check_paths(exam: ProbeContext) -> Finding:
    """Is one thing in the way of several services?"""
    ways = await ways_of(exam)
    open_ = {check: path for check, path in ways.paths.items() if path.reach in _ANSWERS and _is_name(path.host)}
    told = await asyncio.gather(*(greeting_of(exam, path.url) for path in open_.values()))
    leads = {check: greeting.leads_to for check, greeting in zip(open_, told, strict=True)}
    shared = shared_cause(replace(ways, leads=leads))
    if shared is None:
        return ok(
            CHECK, "Nothing stands in the way of every service", hosts=sorted({p.host for p in ways.paths.values()})
        )
    for check in shared.checks:
        exam.condemn(check, shared.finding.id)
    return shared.finding


def _reaches_out(environment: Environment) -> bool:
    return environment.env_name == "cloud-local" or touches_aws(environment)


def known_variables(environment: Environment) -> Sequence[str]:
    """Only what is known before Secrets Manager is asked: it is reached by one of these ways."""
    names = [s.variable for s in SERVICES if s.applies(environment)]
    names += [variable for component, variable, _ in _STORES if environment.placement(component) == "cloud"]
    own = [*names, *AWS_VARIABLES] if touches_aws(environment) else names
    return tuple(name for name in own if environment.value(name) and not is_from_vault(environment, name))


PROBES = (
    Probe(
        CHECK,
        "network",
        "The way out",
        check_paths,
        (
            "net.dns",
            "net.proxy",
            "net.tls-untrusted",
            "net.tls-stalled",
            "net.egress-blocked",
            "net.no-route",
            "net.refused",
        ),
        (),
        _reaches_out,
        seconds=20,
        reads=known_variables,
        after=("host.clock",),
    ),
)
