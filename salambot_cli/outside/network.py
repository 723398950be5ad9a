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


async def resolve_contact(host: str, port: int) -> Contact:
    """Resolve a name, and no more: OPEN says here that it is known."""
    try:
        return Contact(Reach.OPEN, host, port, await resolve(host, port))
    except socket.gaierror as error:
        return Contact(Reach.UNKNOWN_NAME, host, port, detail=error.strerror or str(error), number=error.errno)


async def reach(host: str, port: int, *, seconds: float = CONNECT_SECONDS, tries: int = TRIES) -> Contact:
    """Resolve and connect, every address at once; silence is believed only when it lasts for all tries."""
    named = await resolve_contact(host, port)
    if not named.is_open:
        return named
    addresses = named.addresses
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
