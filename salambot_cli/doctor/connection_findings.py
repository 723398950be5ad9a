"""net.*: what looks the same whatever listens there: refused, no route, unknown name, bad certificate."""

import os
import ssl
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from salambot_cli.doctor.probe import fault, ok
from salambot_cli.host.hosts_file import overrides
from salambot_cli.host.https_path import HttpsPath
from salambot_cli.host.probe_http import Answer
from salambot_cli.host.probe_tcp import ConnectResult, Reach
from salambot_cli.host.tls import Handshake
from salambot_cli.model.finding import Facts, Finding

_CODES = {
    9: "not-yet-valid",
    10: "expired",
    18: "self-signed",
    19: "self-signed",
    20: "unknown-issuer",
    21: "unknown-issuer",
    62: "other-name",
    64: "other-name",
}


def connection_finding(
    check: str, contact: ConnectResult, variable: str, *, layer: str | None = None, all_names: Sequence[str] = ()
) -> Finding | None:
    """Say what the wire says; None where a connection stood, or where only silence was heard.

    Args:
        check: the probe that asks.
        contact: how far it got.
        variable: what names the host.
        layer: where the value of the variable was read.
        all_names: the names that are unknown, where none is known.
    """
    variable = "HTTPS_PROXY" if contact.proxy else variable
    evidence = _evidence(contact, variable)
    if layer:
        evidence["read_from"] = layer
        variable = f"{variable} from {layer}"
    if (overridden := by_hosts_file(check, contact, variable)) is not None:
        return overridden
    match contact.reach:
        case Reach.UNKNOWN_NAME:
            return _unknown_name(check, contact, variable, evidence, all_names)
        case Reach.NO_ROUTE:
            return _no_route(check, contact, variable, evidence)
        case Reach.REFUSED:
            return _refused(check, contact, variable, evidence)
        case _:
            return None


def _unknown_name(
    check: str, contact: ConnectResult, variable: str, evidence: Facts, all_names: Sequence[str]
) -> Finding:
    kind = "resolver" if contact.number == _TRY_AGAIN else "name"
    commands = (f"getent hosts {contact.host}", "resolvectl status")
    if all_names:
        title = f"No name is known here: the resolver answers for none of {', '.join(all_names)}"
        text = (
            "Every name fails, so it is the resolver, the network or the VPN, and no service: check /etc/resolv.conf "
            "and the "
            "link, then try the name of any site."
        )
        every: Facts = {**evidence, "kind": "all-names", "names": list(all_names), "resolver": resolvers()}
        return fault("net.dns", check, title, every, commands, text=text)
    title = f"The name {contact.host} is not known ({variable})"
    silence = f"The resolver gives no answer for {contact.host}: check the resolver, the VPN, a private zone."
    about: Facts = {**evidence, "kind": kind}
    return fault("net.dns", check, title, about, commands, text=silence if kind == "resolver" else None)


def resolvers() -> list[str]:
    """Return the servers that `/etc/resolv.conf` names."""
    try:
        lines = Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [words[1] for words in map(str.split, lines) if words[:1] == ["nameserver"] and len(words) > 1][:5]


def _no_route(check: str, contact: ConnectResult, variable: str, evidence: Facts) -> Finding:
    address = contact.address or (contact.addresses or (contact.host,))[0]
    title = f"There is no route to {contact.host}:{contact.port} ({variable})"
    if contact.addresses and all(":" in each for each in contact.addresses):
        title = f"{contact.host} has IPv6 addresses only ({address}), and this machine has no way to IPv6 ({variable})"
        text = "Use a network with IPv6, a VPN or a forward; or give the host an IPv4 address (dual-stack)."
        return fault(
            "net.no-route", check, title, {**evidence, "kind": "ipv6"}, (f"ip -6 route get {address}",), text=text
        )
    return fault("net.no-route", check, title, evidence, (f"ip route get {address}",))


def by_hosts_file(check: str, contact: ConnectResult, variable: str) -> Finding | None:
    """Say that `/etc/hosts` leads a failing connection elsewhere; None where it does not name the host."""
    if contact.is_open or contact.host == "localhost" or not contact.addresses:
        return None
    found = overrides(contact.host)
    if found is None or found[1] not in contact.addresses:
        return None
    line, address = found
    title = f"/etc/hosts (line {line}) leads {contact.host} to {address}, which does not serve it ({contact.reach})"
    text = (
        f"Take the line out of /etc/hosts, so that the resolver answers for {contact.host} again: rules and routes "
        "are not "
        "the cause. If the line belongs to a forward or a VPN, open that again."
    )
    evidence: Facts = {**_evidence(contact, variable), "kind": "hosts-file", "line": line, "file": "/etc/hosts"}
    commands = (f"grep -n {contact.host} /etc/hosts", f"dig +short {contact.host}")
    return fault("net.dns", check, title, evidence, commands, text=text)


_TRY_AGAIN = -3


def dns_finding(check: str, contact: ConnectResult | None, variable: str, shape: str) -> Finding:
    """Say whether a URL could be read (it leads nowhere where not), and its host resolves."""
    if contact is None:
        return broken_url(check, variable, f"expected {shape}; @ : / # in a password are %40 %3A %2F %23")
    if contact.reach is Reach.UNKNOWN_NAME and (unknown := connection_finding(check, contact, variable)):
        return unknown
    return ok(check, f"{contact.host} resolves", addresses=list(contact.addresses))


def _evidence(contact: ConnectResult, variable: str) -> Facts:
    return {
        "host": contact.host,
        "port": contact.port,
        "variable": variable,
        "addresses": list(contact.addresses),
        "reach": str(contact.reach),
        "errno": contact.number,
        "detail": contact.detail,
    }


def _refused(
    check: str,
    contact: ConnectResult,
    variable: str,
    evidence: Facts,
) -> Finding:
    inside = contact.host in {"localhost", "127.0.0.1", "::1"}
    hint = " Inside a container, localhost is the container itself." if inside else ""
    text = (
        f"Nothing listens on {contact.host}:{contact.port}: correct host and port in {variable}, or start the server "
        f"or the forward. A security group is not the cause: it would drop, not refuse.{hint}"
    )
    commands = (f"ss -ltnp 'sport = :{contact.port}'",) if inside else ()
    title = f"{contact.host}:{contact.port} refuses connections ({variable})"
    return fault("net.refused", check, title, evidence, commands, text=text)


def filtered_finding(check: str, contact: ConnectResult, variable: str) -> Finding:
    """Nothing answered an HTTPS endpoint: the way out is filtered."""
    variable = "HTTPS_PROXY" if contact.proxy else variable
    if (found := by_hosts_file(check, contact, variable)) is not None:
        return found
    title = f"{contact.host}:{contact.port} does not answer ({variable})"
    evidence = _evidence(contact, variable)
    text = (
        f"Packets to {contact.host}:{contact.port} vanish: a firewall here or on the way out, or a proxy that must be "
        "used and is not set (HTTPS_PROXY)."
    )
    return fault(
        "net.egress-blocked",
        check,
        title,
        evidence,
        (f"curl -v --max-time 5 telnet://{contact.host}:{contact.port}",),
        text=text,
    )


def stalled(check: str, host: str, port: int, variable: str, proxy: str | None = None) -> Finding:
    """The port answers, and the TLS handshake never ends: large packets are lost, or somebody swallows TLS."""
    title = f"{host}:{port} takes the connection, and the TLS handshake stalls ({variable})"
    text = (
        "Small packets pass and large ones vanish: the MTU is too large for a VPN or a link on the way (lower it, or "
        "let "
        "ICMP through), or a firewall swallows TLS. The command says which size still passes."
    )
    evidence: Facts = {"host": host, "port": port, "variable": variable, "kind": "stalled", "proxy": proxy}
    commands = (f"ping -c 3 -M do -s 1372 {host}", "ip link show")
    return fault("net.tls-stalled", check, title, evidence, commands, text=text)


def proxy_refuses(check: str, path: HttpsPath, variable: str) -> Finding:
    """The proxy answers, and opens no way: it wants a login, forbids the host, or says nothing."""
    proxy, host = path.proxy or "", path.host
    evidence: Facts = {
        "proxy": proxy,
        "host": host,
        "variable": variable,
        "status": path.refusal,
        "says": path.refusal_says,
    }
    if path.refusal == _PROXY_LOGIN:
        title = f"The proxy {proxy} wants a login before it leads anywhere (407)"
        text = (
            "Put user and password into HTTPS_PROXY (http://user:password@host:port, percent-encoded); where it "
            "speaks only "
            "NTLM or Kerberos, run a local helper such as px or cntlm and point HTTPS_PROXY at that."
        )
        return fault(
            "net.proxy", check, title, {**evidence, "kind": "login"}, (_PROXY_COMMAND.format(host=host),), text=text
        )
    if path.refusal is not None:
        title = f"The proxy {proxy} refuses to lead to {host} ({path.refusal})"
        text = f"Have {host} allowed on the proxy, or name it in NO_PROXY where it is reached directly."
        return fault(
            "net.proxy", check, title, {**evidence, "kind": "refused"}, (_PROXY_COMMAND.format(host=host),), text=text
        )
    how = path.contact.detail if path.contact.reach is Reach.WRONG_PROTOCOL else path.contact.reach
    title = f"The proxy {proxy} takes the connection and gives no usable answer ({how})"
    text = "Correct HTTPS_PROXY, or start the proxy again: what listens there is hanging, or is no HTTP proxy."
    about: Facts = {**evidence, "kind": str(path.contact.reach), "detail": path.contact.detail}
    return fault("net.proxy", check, title, about, (_PROXY_COMMAND.format(host=host),), text=text)


def portal(check: str, path: HttpsPath, place: str, hosts: Sequence[str]) -> Finding:
    """Every service leads to one page: the network wants a sign-in before it lets anybody out."""
    title = f"Something on the way answers in place of {', '.join(hosts)}: all lead to {place} (a sign-in portal)"
    text = (
        "A hotel's or guest network's portal, or a company's gateway, wants a sign-in first: open any page in a "
        "browser and sign in, or use another network or a VPN."
    )
    evidence: Facts = {"kind": "portal", "leads_to": place, "resources": list(hosts), "proxy": path.proxy}
    return fault("net.proxy", check, title, evidence, (_PROXY_COMMAND.format(host=path.host),), text=text)


_PROXY_LOGIN = 407
_PROXY_COMMAND = "curl -sv --max-time 10 -o /dev/null https://{host}/"


def inspected(check: str, paths: Sequence[HttpsPath]) -> Finding:
    """One issuer, which is not trusted, signs for several hosts: one thing between us and all of them opens TLS."""
    first = paths[0]
    issuer = first.certificate.issuer if first.certificate else ""
    hosts = sorted({path.host for path in paths})
    who = f"the proxy {first.proxy}" if first.proxy else "a proxy, an antivirus or a captive portal"
    title = f"Somebody on the way opens TLS: {issuer} signs for {', '.join(hosts)}"
    text = (
        f"{who[0].upper()}{who[1:]} inspects TLS and signs with a CA of its own that is not trusted here. Get that "
        "CA's "
        "certificate from whoever runs it and name it in SSL_CERT_FILE and AWS_CA_BUNDLE (beside the public roots, "
        "where such a file is named already), or have these hosts "
        "excepted. In a "
        "hotel or guest network, sign in by the browser first."
    )
    commands = (f"openssl s_client {_by(first)} -servername {first.host} -showcerts </dev/null",)
    base = certificate_finding(
        check,
        first.certificate or Handshake(first.contact),
        "every HTTPS service",
        None,
        proxy=first.proxy,
        host=first.host,
        port=first.port,
    )
    evidence: Facts = {**base.evidence, "kind": "inspected", "resources": hosts, "proxy": first.proxy}
    return fault("net.tls-untrusted", check, title, evidence, commands, text=text)


def _by(path: HttpsPath) -> str:
    return (
        f"-proxy {path.proxy} -connect {path.host}:{path.port}" if path.proxy else f"-connect {path.host}:{path.port}"
    )


def certificate_finding(
    check: str,
    shaken: Handshake,
    variable: str,
    ca: str | None,
    *,
    proxy: str | None = None,
    host: str | None = None,
    port: int | None = None,
) -> Finding:
    """Name what is wrong with a certificate. Behind a proxy the contact is the proxy's: `host` and `port` are given."""
    contact = replace(shaken.contact, host=host or shaken.contact.host, port=port or shaken.contact.port)
    if not proxy and (found := by_hosts_file(check, contact, variable)) is not None:
        return found
    kind = _CODES.get(contact.number or 0, "unknown-issuer")
    evidence: Facts = {
        **_evidence(contact, variable),
        "kind": kind,
        "errno": None,
        "verify_code": contact.number,
        "certificate_names": list(shaken.names),
        "issuer": shaken.issuer,
        "not_before": shaken.not_before,
        "not_after": shaken.not_after,
        "ca": ca or "the system's",
        "proxy": proxy,
    }
    where = f"{contact.host}:{contact.port}" + (f" behind the proxy {proxy}" if proxy else "")
    title = f"The certificate of {where} does not verify: {contact.detail or kind}"
    return fault(
        "net.tls-untrusted",
        check,
        title,
        evidence,
        _tls_commands(kind, contact),
        text=_tls_text(kind, shaken, variable, proxy),
    )


def _tls_text(kind: str, shaken: Handshake, variable: str, proxy: str | None) -> str:
    match kind:
        case "expired":
            return f"The certificate ended on {shaken.not_after or 'a past day'}: renew it on the server."
        case "not-yet-valid":
            start = shaken.not_before or "a later day"
            return f"The certificate starts on {start}: issue it again, or set the server's clock."
        case "other-name":
            names = ", ".join(shaken.names) or "another name"
            return f"The certificate is for {names}: use that name in {variable}, not an address or an alias."
        case _ if variable in _STORE_URLS:
            return (
                f"The issuer {shaken.issuer or ''} is not trusted: give its CA bundle (`sslrootcert=` in the URL, "
                "`[postgres] ca` or `[redis] ca` in salambot.toml); for RDS that is global-bundle.pem."
            )
        case _:
            who = f" The proxy {proxy} may open TLS on the way." if proxy else ""
            if (own := os.environ.get("SSL_CERT_FILE")) is not None:
                who += (
                    f" SSL_CERT_FILE names {own}, in place of this machine's own roots: they have to stand in it too."
                )
            return (
                f"The issuer {shaken.issuer or ''} is not trusted here: name its CA certificate in SSL_CERT_FILE "
                "(and in "
                f"AWS_CA_BUNDLE for AWS), or use a certificate of a public CA.{who}"
            )


_STORE_URLS = frozenset({"POSTGRES_URL", "REDIS_URL"})


def _tls_commands(kind: str, contact: ConnectResult) -> tuple[str, ...]:
    show = f"openssl s_client -connect {contact.host}:{contact.port} -servername {contact.host} </dev/null"
    if kind in {"self-signed", "unknown-issuer"} and ".rds." in contact.host:
        return ("curl -o global-bundle.pem https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",)
    return (show,)


def http_failure(check: str, answer: Answer, variable: str) -> Finding | None:
    """Say how an HTTP request failed on the wire; None where there was an answer, or one in another protocol."""
    contact = answer.contact
    if contact is None:
        return None
    found = connection_finding(check, contact, variable)
    if found is not None:
        return found
    if contact.reach is Reach.UNTRUSTED:
        return certificate_finding(check, Handshake(contact), variable, None)
    if contact.reach is Reach.SILENT:
        return filtered_finding(check, contact, variable)
    return None


def broken_url(check: str, variable: str, why: str) -> Finding:
    """A URL in a variable that does not parse. The URL itself is not shown: it may hold a password."""
    title = f"{variable} is not a URL that can be used: {why}"
    return fault("config.invalid", check, title, {"variable": variable}, ("salambot config validate",))


def is_url(text: str, schemes: tuple[str, ...]) -> bool:
    """Return whether a text is a URL of one of these schemes, with a host and a possible port."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    # A second @, or one behind the host, means that the password was not percent-encoded.
    encoded = parts.netloc.count("@") <= 1 and "@" not in parts.path
    return parts.scheme in schemes and bool(parts.hostname) and encoded


def ca_context(ca: str | None) -> ssl.SSLContext | str:
    """Return verified TLS settings, or why the CA file cannot be used."""
    from salambot_cli.host.tls import tls_context

    try:
        return tls_context(ca)
    except (OSError, ssl.SSLError) as error:
        return f"the CA file {ca} cannot be used: {error.strerror or error}"
