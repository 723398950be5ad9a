"""Two resources that fail in the same way at the same rung share one cause: name it once."""

from collections.abc import Sequence
from dataclasses import replace

from salambot_cli.model.finding import Finding, Remedy

_SHARED = frozenset({"net.dns", "net.no-route", "net.egress-blocked", "net.tls-untrusted", "net.refused"})


def merge_shared_causes(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Keep the first of several alike failures as the cause, with every resource in its evidence."""
    result = list(findings)
    for name in sorted(_SHARED):
        alike = [f for f in result if f.id == name and f.status == "fail" and f.caused_by is None]
        for group in _alike(name, alike):
            result = _merged(result, group)
    return tuple(_without_late(result))


def _without_late(findings: Sequence[Finding]) -> list[Finding]:
    """A check that ran out of time beside a failure is no second cause: it saw nothing."""
    if not any(f.status == "fail" and f.caused_by is None and f.id != _LATE for f in findings):
        return list(findings)
    return [replace(f, status="unknown") if f.id == _LATE and f.status == "fail" else f for f in findings]


_LATE = "doctor.probe-timeout"


def _alike(name: str, findings: Sequence[Finding]) -> list[list[Finding]]:
    groups: dict[object, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(tuple(finding.evidence.get(key) for key in _ALIKE.get(name, ())), []).append(finding)
    if name == "net.refused":
        return [group for group in groups.values() if len(group) > 1]
    return [group for group in groups.values() if len({f.evidence.get("host") for f in group}) > 1]


_ALIKE = {"net.tls-untrusted": ("issuer", "kind"), "net.refused": ("host", "port")}
"""What has to be the same for two failures to share a cause: one issuer; one port (a proxy's, a forward's)."""


def _merged(findings: Sequence[Finding], group: Sequence[Finding]) -> list[Finding]:
    first, rest = group[0], {id(f) for f in group[1:]}
    hosts = [f"{f.evidence.get('host')}:{f.evidence.get('port')}" for f in group]
    shared = replace(
        first,
        title=f"{_TITLES[first.id]}: {', '.join(hosts)}",
        evidence={**first.evidence, "resources": hosts, "shared": True},
        remedy=Remedy(_TEXTS[first.id], first.remedy.commands if first.remedy else ()),
    )
    merged: list[Finding] = []
    for finding in findings:
        if finding is first:
            merged.append(shared)
        elif id(finding) in rest:
            merged.append(replace(finding, status="skipped", caused_by=first.id))
        else:
            merged.append(finding)
    return merged


_TITLES = {
    "net.dns": "Several names are not known",
    "net.no-route": "There is no route to several hosts",
    "net.egress-blocked": "Several hosts do not answer",
    "net.refused": "One port that several use refuses",
    "net.tls-untrusted": "Several certificates do not verify, in the same way",
}
_TEXTS = {
    "net.dns": "When every name fails it is the resolver or the network: check /etc/resolv.conf, the VPN, the link.",
    "net.no-route": "Reconnect the VPN or the network: several hosts share the missing route.",
    "net.egress-blocked": "The way out of this machine or network is filtered: use a VPN or the proxy (HTTPS_PROXY).",
    "net.refused": "Start what should listen there (a proxy, a forward, a server), or correct the address.",
    "net.tls-untrusted": "One issuer that is not trusted signs them all: give its CA bundle, or look for a proxy that "
    "opens TLS on the way.",
}
