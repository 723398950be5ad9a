"""One cause above many: the table of what the ways to all services show, and the one finding that it means."""

from dataclasses import dataclass, field

import pytest

from salambot_cli.doctor.paths import Ways, shared_cause
from salambot_cli.host.https_path import HttpsPath
from salambot_cli.host.probe_tcp import ConnectResult, Reach
from salambot_cli.host.tls import Handshake

AWS, MODEL, OTLP = "aws.credentials", "openai.access", "otlp.export"
HOSTS = {AWS: "sts.eu-west-1.amazonaws.com", MODEL: "api.openai.com", OTLP: "otlp.grafana.net"}
TRY_AGAIN, NO_NAME = -3, -2


def way(check: str, reach: Reach = Reach.OPEN, number: int | None = None, host: str | None = None) -> HttpsPath:
    name = host or HOSTS[check]
    addresses = () if reach is Reach.UNKNOWN_NAME else ("198.51.100.7",)
    return HttpsPath(f"https://{name}", name, 443, ConnectResult(reach, name, 443, addresses, number=number))


def signed(check: str, issuer: str, reach: Reach = Reach.UNTRUSTED) -> HttpsPath:
    path = way(check)
    shaken = Handshake(ConnectResult(reach, path.host, 443, number=20), (), issuer)
    return HttpsPath(path.url, path.host, 443, path.contact, certificate=shaken)


def proxied(check: str, refusal: int | None = None, reach: Reach = Reach.OPEN) -> HttpsPath:
    contact = ConnectResult(reach, "proxy.corp", 3128, ("198.51.100.9",), proxy=True)
    return HttpsPath(f"https://{HOSTS[check]}", HOSTS[check], 443, contact, "proxy.corp:3128", refusal)


def unknown(host: str, number: int = TRY_AGAIN) -> ConnectResult:
    return ConnectResult(Reach.UNKNOWN_NAME, host, 443, number=number)


@dataclass(frozen=True)
class Case:
    name: str
    paths: dict[str, HttpsPath]
    finding: str | None
    checks: frozenset[str] = frozenset()
    names: dict[str, ConnectResult] = field(default_factory=dict)
    witness: ConnectResult | None = None
    leads: dict[str, str | None] = field(default_factory=dict)


EVERY = (AWS, MODEL, OTLP)
PORTAL = "portal.hotel.example"
CASES = [
    Case("all is open", {c: way(c) for c in EVERY}, None),
    Case(
        "all lead to one page",
        {c: way(c) for c in EVERY},
        "net.proxy",
        frozenset(EVERY),
        leads=dict.fromkeys(EVERY, PORTAL),
    ),
    Case(
        "one of them leads elsewhere, as AWS does",
        {c: way(c) for c in EVERY},
        None,
        leads={AWS: "aws.amazon.com", MODEL: None, OTLP: None},
    ),
    Case("the only one leads elsewhere", {AWS: way(AWS)}, None, leads={AWS: "aws.amazon.com"}),
    Case("no name is known", {c: way(c, Reach.UNKNOWN_NAME, TRY_AGAIN) for c in EVERY}, "net.dns", frozenset(EVERY)),
    Case(
        "no name is known, the databases' neither",
        {AWS: way(AWS, Reach.UNKNOWN_NAME, NO_NAME)},
        "net.dns",
        frozenset({AWS, "rds.dns"}),
        {"rds.dns": unknown("db.example")},
    ),
    Case("one of three is unknown", {AWS: way(AWS), MODEL: way(MODEL, Reach.UNKNOWN_NAME, NO_NAME)}, None),
    Case("the only name is unknown, the witness is known", {MODEL: way(MODEL, Reach.UNKNOWN_NAME)}, None,
         witness=ConnectResult(Reach.OPEN, "witness", 443)),
    Case("the only name is unknown, the witness too", {MODEL: way(MODEL, Reach.UNKNOWN_NAME)}, "net.dns",
         frozenset({MODEL}), witness=unknown("witness")),
    Case("an address needs no resolver", {MODEL: way(MODEL, host="127.0.0.1"), OTLP: way(OTLP, Reach.UNKNOWN_NAME),
         AWS: way(AWS, Reach.UNKNOWN_NAME)}, "net.dns", frozenset({AWS, OTLP})),
    Case("the proxy wants a login", {c: proxied(c, 407) for c in EVERY}, "net.proxy", frozenset(EVERY)),
    Case("the proxy wants a login, one goes past it", {AWS: proxied(AWS, 407), OTLP: way(OTLP, host="localhost")},
         "net.proxy", frozenset({AWS})),
    Case("the proxy forbids one host", {AWS: proxied(AWS), MODEL: proxied(MODEL, 403)}, None),
    Case("the proxy forbids every host", {AWS: proxied(AWS, 403), MODEL: proxied(MODEL, 403)}, "net.proxy",
         frozenset({AWS, MODEL})),
    Case("the proxy hangs", {c: proxied(c, reach=Reach.MUTE) for c in EVERY}, "net.proxy", frozenset(EVERY)),
    Case("the proxy is gone", {c: proxied(c, reach=Reach.REFUSED) for c in EVERY}, "net.refused", frozenset(EVERY)),
    Case("the proxy is silent", {c: proxied(c, reach=Reach.SILENT) for c in EVERY}, "net.egress-blocked",
         frozenset(EVERY)),
    Case("one issuer signs for all", {c: signed(c, "O=Contoso") for c in EVERY}, "net.tls-untrusted", frozenset(EVERY)),
    Case("one issuer signs for two, the third is well", {AWS: way(AWS), MODEL: signed(MODEL, "O=Contoso"),
         OTLP: signed(OTLP, "O=Contoso")}, "net.tls-untrusted", frozenset({MODEL, OTLP})),
    Case("two issuers sign for two", {MODEL: signed(MODEL, "O=A"), OTLP: signed(OTLP, "O=B")}, None),
    Case("nothing answers", {c: way(c, Reach.SILENT) for c in EVERY}, "net.egress-blocked", frozenset(EVERY)),
    Case("one does not answer", {AWS: way(AWS), MODEL: way(MODEL, Reach.SILENT)}, None),
    Case("no route anywhere", {c: way(c, Reach.NO_ROUTE) for c in EVERY}, "net.no-route", frozenset(EVERY)),
    Case("every handshake stalls", {c: signed(c, "", Reach.MUTE) for c in EVERY}, "net.tls-stalled", frozenset(EVERY)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_one_cause_is_named_with_what_it_explains(case: Case) -> None:
    shared = shared_cause(Ways(case.paths, case.names, case.witness, case.leads))

    assert (shared.finding.id if shared else None) == case.finding
    assert frozenset(shared.checks if shared else ()) == case.checks
