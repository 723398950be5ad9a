"""What the wire says: names that resolve, ports that answer, stay silent or refuse, certificates that verify."""

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

CONNECT_SECONDS = 1.5
TRIES = 2
BANNER_BYTES = 512
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL})


class Reach(StrEnum):
    """How one side of a connection looks from here."""

    OPEN = "open"
    SILENT = "silent"
    """Packets vanish: a firewall, a security group, a stopped server, a missing return path."""
    REFUSED = "refused"
    """A machine answered and nothing listens there. Never a security group."""
    NO_ROUTE = "no route"
    UNKNOWN_NAME = "unknown name"
    RESET = "reset"
    """Accepted, then closed before it said anything."""
    MUTE = "mute"
    """Accepted, then nothing."""
    UNTRUSTED = "untrusted certificate"
    NO_TLS = "no TLS"
    WRONG_PROTOCOL = "wrong protocol"


@dataclass(frozen=True, slots=True)
class Contact:
    """One attempt to reach a host and port."""

    reach: Reach
    host: str
    port: int
    addresses: tuple[str, ...] = ()
    address: str | None = None
    detail: str = ""
    number: int | None = None
    """errno, EAI code or X.509 verify code."""
    rtt_ms: float | None = None
    proxy: bool = False
    """The host is the proxy's, which the environment asks for."""

    @property
    def is_open(self) -> bool:
        """Tell whether a connection stood."""
        return self.reach is Reach.OPEN


async def resolve(host: str, port: int, seconds: float = 5.0) -> tuple[str, ...]:
    """Return the addresses of a name, each once, in the resolver's order.

    Raises:
        socket.gaierror: the name is not known, or the resolver does not answer.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise socket.gaierror(socket.EAI_AGAIN, f"the resolver gave no answer within {seconds:g} s") from error
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from error
    return tuple(dict.fromkeys(str(info[4][0]) for info in found))


async def reach(host: str, port: int, *, seconds: float = CONNECT_SECONDS, tries: int = TRIES) -> Contact:
    """Resolve and connect, every address at once; silence is believed only when it lasts for all tries."""
    try:
        addresses = await resolve(host, port)
    except socket.gaierror as error:
        return Contact(Reach.UNKNOWN_NAME, host, port, detail=error.strerror or str(error), number=error.errno)
    contact = Contact(Reach.SILENT, host, port, addresses)
    for _ in range(tries):
        contacts = await asyncio.gather(*(_connect(host, port, addresses, a, seconds) for a in addresses[:4]))
        contact = min(contacts, key=lambda c: _TELLING.index(c.reach))
        if contact.reach is not Reach.SILENT:
            return contact
    return contact


_TELLING = (Reach.OPEN, Reach.REFUSED, Reach.SILENT, Reach.NO_ROUTE, Reach.RESET)


async def _connect(host: str, port: int, addresses: tuple[str, ...], address: str, seconds: float) -> Contact:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return Contact(Reach.SILENT, host, port, addresses, address, f"no answer within {seconds:g} s")
    except OSError as error:
        return Contact(reach_of(error), host, port, addresses, address, error.strerror or str(error), error.errno)
    rtt = (time.perf_counter() - started) * 1000
    await close(writer)
    return Contact(Reach.OPEN, host, port, addresses, address, rtt_ms=rtt)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection without waiting for a peer that does not answer."""
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
        async with asyncio.timeout(0.5):
            await writer.wait_closed()


def reach_of(error: BaseException) -> Reach:
    """Name what an exception of a socket, of httpx or of an SDK says about the wire."""
    for cause in causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return Reach.UNTRUSTED
            case ssl.SSLError():
                return Reach.NO_TLS
            case socket.gaierror():
                return Reach.UNKNOWN_NAME
            case ConnectionRefusedError():
                return Reach.REFUSED
            case TimeoutError():
                return Reach.SILENT
            case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError() | asyncio.IncompleteReadError():
                return Reach.RESET
            case OSError() if cause.errno in _NO_ROUTE:
                return Reach.NO_ROUTE
            case OSError() if cause.errno == errno.ECONNREFUSED:
                return Reach.REFUSED
            case _:
                pass
    return Reach.SILENT if "timed out" in str(error).lower() else Reach.RESET


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk an exception, what it was raised from, and the members of groups: innermost last."""
    seen: set[int] = set()
    pending: list[BaseException] = [error]
    while pending:
        cause = pending.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        linked = (cause.__cause__, cause.__context__, getattr(cause, "reason", None))
        pending.extend(e for e in linked if isinstance(e, BaseException))
        if isinstance(cause, BaseExceptionGroup):
            pending.extend(cause.exceptions)


def tls_context(ca: Path | str | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Return a client's TLS settings: verified against the system's roots, or against one CA file (PEM).

    Raises:
        OSError, ssl.SSLError: the CA file cannot be read or is no certificate.
    """
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class Handshake:
    """The end of a TLS handshake: its contact, and what the certificate says."""

    contact: Contact
    names: tuple[str, ...] = ()
    issuer: str = ""
    not_before: str = ""
    not_after: str = ""


async def handshake(
    contact: Contact, context: ssl.SSLContext, *, prelude: bytes = b"", agree: bytes = b"", seconds: float = 4.0
) -> Handshake:
    """Connect, speak an optional prelude (Postgres' SSLRequest), then do a verified TLS handshake.

    Failures: MUTE (twice), RESET, NO_TLS (the peer answered something that is no TLS), UNTRUSTED.
    """
    shaken = await _shake(contact, context, prelude, agree, seconds)
    if shaken.contact.reach is Reach.MUTE:
        shaken = await _shake(contact, context, prelude, agree, seconds)
    return shaken


async def _shake(contact: Contact, context: ssl.SSLContext, prelude: bytes, agree: bytes, seconds: float) -> Handshake:
    host, port = contact.host, contact.port
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(contact.address or host, port)
            try:
                if prelude:
                    writer.write(prelude)
                    if await reader.read(1) != agree:
                        return Handshake(Contact(Reach.NO_TLS, host, port, contact.addresses, contact.address))
                await writer.start_tls(context, server_hostname=host)
            finally:
                await close(writer)
    except TimeoutError:
        return Handshake(_failed(contact, Reach.MUTE, f"no TLS answer within {seconds:g} s"))
    except ssl.SSLCertVerificationError as error:
        reason = _failed(contact, Reach.UNTRUSTED, error.verify_message, error.verify_code)
        return await _describe_certificate(reason, prelude)
    except ssl.SSLError as error:
        return Handshake(_failed(contact, Reach.NO_TLS, error.reason or str(error)))
    except OSError as error:
        return Handshake(_failed(contact, Reach.RESET, error.strerror or str(error), error.errno))
    return Handshake(contact)


def _failed(contact: Contact, how: Reach, detail: str, number: int | None = None) -> Contact:
    return Contact(how, contact.host, contact.port, contact.addresses, contact.address, detail, number)


async def _describe_certificate(contact: Contact, prelude: bytes) -> Handshake:
    """Look at a certificate that did not verify: nothing but the handshake is sent over this connection."""
    from cryptography import x509

    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection(contact.address or contact.host, contact.port)
            try:
                if prelude:
                    writer.write(prelude)
                    await reader.read(1)
                await writer.start_tls(tls_context(verify=False), server_hostname=contact.host)
                der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            finally:
                await close(writer)
        certificate = x509.load_der_x509_certificate(der)
    except (OSError, TimeoutError, ValueError):
        return Handshake(contact)
    return Handshake(
        contact,
        _names_of(certificate),
        certificate.issuer.rfc4514_string(),
        certificate.not_valid_before_utc.isoformat(),
        certificate.not_valid_after_utc.isoformat(),
    )


def _names_of(certificate: "x509.Certificate") -> tuple[str, ...]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)[:8]


async def ask(contact: Contact, question: bytes, *, tls: ssl.SSLContext | None = None, seconds: float = 2.5) -> bytes:
    """Say something and return the first bytes (at most 512) of the answer; empty when the peer closes.

    Raises:
        TimeoutError: the peer accepted and said nothing.
        OSError: the connection broke.
    """
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(
            contact.address or contact.host,
            contact.port,
            ssl=tls,
            server_hostname=contact.host if tls else None,
            limit=BANNER_BYTES * 8,
        )
        try:
            writer.write(question)
            await writer.drain()
            return await reader.read(BANNER_BYTES)
        finally:
            await close(writer)


def shortest_connect(host: str, port: int, samples: int = 5) -> float | None:
    """Return the shortest of several connection times in ms; None where none stood. It blocks: call it in a thread.

    The shortest is the distance; what the others are longer is this machine or the way being busy.
    """
    times: list[float] = []
    for _ in range(samples):
        started = time.perf_counter()
        try:
            socket.create_connection((host, port), timeout=2).close()
        except OSError:
            continue
        times.append((time.perf_counter() - started) * 1000)
    return min(times, default=None)


def leaves_this_machine(addresses: tuple[str, ...]) -> bool:
    """Tell whether traffic to these addresses is seen by anybody else: loopback and our own interfaces are not."""
    import ipaddress

    import psutil

    own = {a.address.split("%")[0] for interface in psutil.net_if_addrs().values() for a in interface}
    return not all(address in own or ipaddress.ip_address(address.split("%")[0]).is_loopback for address in addresses)
