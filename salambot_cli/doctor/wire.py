"""net.*: what looks the same whatever listens there: refused, no route, unknown name, bad certificate."""

import ssl
from urllib.parse import urlsplit

from salambot_cli.doctor.probe import fault, fine
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.outside.http import Answer
from salambot_cli.outside.network import Contact, Reach
from salambot_cli.outside.tls import Handshake

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


def unreachable(check: str, contact: Contact, variable: str) -> Finding | None:
    """Say what the wire says; None where a connection stood, or where only silence was heard."""
    variable = "HTTPS_PROXY" if contact.proxy else variable
    where = f"{contact.host}:{contact.port}"
    evidence = _evidence(contact, variable)
    match contact.reach:
        case Reach.UNKNOWN_NAME:
            kind = "resolver" if contact.number == _TRY_AGAIN else "name"
            text = (
                None
                if kind == "name"
                else "The resolver gives no answer: check /etc/resolv.conf, the network, the VPN."
            )
            commands = (f"getent hosts {contact.host}", "resolvectl status")
            title = f"The name {contact.host} is not known ({variable})"
            return fault("net.dns", check, title, {**evidence, "kind": kind}, commands, text=text)
        case Reach.NO_ROUTE:
            address = contact.address or (contact.addresses or (contact.host,))[0]
            title = f"There is no route to {where} ({variable})"
            return fault("net.no-route", check, title, evidence, (f"ip route get {address}",))
        case Reach.REFUSED:
            return _refused(check, contact, variable, evidence)
        case _:
            return None


_TRY_AGAIN = -3


def named(check: str, contact: Contact | None, variable: str, shape: str) -> Finding:
    """Say whether a URL could be read (it leads nowhere where not), and its host resolves."""
    if contact is None:
        return broken_url(check, variable, f"expected {shape}; @ : / # in a password are %40 %3A %2F %23")
    if contact.reach is Reach.UNKNOWN_NAME and (unknown := unreachable(check, contact, variable)):
        return unknown
    return fine(check, f"{contact.host} resolves", addresses=list(contact.addresses))


def _evidence(contact: Contact, variable: str) -> Facts:
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
    contact: Contact,
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


def silent(check: str, contact: Contact, variable: str) -> Finding:
    """Nothing answered an HTTPS endpoint: the way out is filtered."""
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


def untrusted(check: str, shaken: Handshake, variable: str, ca: str | None) -> Finding:
    """Name what is wrong with a certificate."""
    contact = shaken.contact
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
    }
    title = f"The certificate of {contact.host}:{contact.port} does not verify: {contact.detail or kind}"
    return fault(
        "net.tls-untrusted",
        check,
        title,
        evidence,
        _tls_commands(kind, contact),
        text=_tls_text(kind, shaken, variable),
    )


def _tls_text(kind: str, shaken: Handshake, variable: str) -> str:
    match kind:
        case "expired":
            return f"The certificate ended on {shaken.not_after or 'a past day'}: renew it on the server."
        case "not-yet-valid":
            start = shaken.not_before or "a later day"
            return f"The certificate starts on {start}: issue it again, or set the server's clock."
        case "other-name":
            names = ", ".join(shaken.names) or "another name"
            return f"The certificate is for {names}: use that name in {variable}, not an address or an alias."
        case _:
            return (
                f"The issuer {shaken.issuer or ''} is not trusted: give its CA bundle (`sslrootcert=` in the URL, "
                "`[postgres] ca` or `[redis] ca` in salambot.toml); for RDS that is global-bundle.pem."
            )


def _tls_commands(kind: str, contact: Contact) -> tuple[str, ...]:
    show = f"openssl s_client -connect {contact.host}:{contact.port} -servername {contact.host} </dev/null"
    if kind in {"self-signed", "unknown-issuer"} and contact.host.endswith(".amazonaws.com"):
        return ("curl -o global-bundle.pem https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",)
    return (show,)


def http_failure(check: str, answer: Answer, variable: str) -> Finding | None:
    """Say how an HTTP request failed on the wire; None where there was an answer, or one in another protocol."""
    contact = answer.contact
    if contact is None:
        return None
    found = unreachable(check, contact, variable)
    if found is not None:
        return found
    if contact.reach is Reach.UNTRUSTED:
        return untrusted(check, Handshake(contact), variable, None)
    if contact.reach is Reach.SILENT:
        return silent(check, contact, variable)
    return None


def broken_url(check: str, variable: str, why: str) -> Finding:
    """A URL in a variable that does not parse. The URL itself is not shown: it may hold a password."""
    title = f"{variable} is not a URL that can be used: {why}"
    return fault("config.invalid", check, title, {"variable": variable}, ("salambot config validate",))


def is_url(text: str, schemes: tuple[str, ...]) -> bool:
    """Tell whether a text is a URL of one of these schemes, with a host and a possible port."""
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
    from salambot_cli.outside.tls import tls_context

    try:
        return tls_context(ca)
    except (OSError, ssl.SSLError) as error:
        return f"the CA file {ca} cannot be used: {error.strerror or error}"
