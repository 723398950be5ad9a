"""TCP probes: name resolution, connect, silence, refusal, certificates."""

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from salambot_cli.host.time_limit import limit

CONNECT_SECONDS = 1.5
TRIES = 2
BANNER_BYTES = 512
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL})


class Reach(StrEnum):
    """The outcome of a connection attempt."""

    OPEN = "open"
    SILENT = "silent"
    """Packets vanish: a firewall, a security group, a stopped server, a missing return path."""
    REFUSED = "refused"
    """A machine answered and nothing listens there. Never a security group."""
    NO_ROUTE = "no route"
    UNKNOWN_NAME = "unknown name"
    RESET = "reset"
    """Accepted, then closed without a byte."""
    MUTE = "mute"
    """Accepted, then nothing."""
    UNTRUSTED = "untrusted certificate"
    NO_TLS = "no TLS"
    WRONG_PROTOCOL = "wrong protocol"


@dataclass(frozen=True, slots=True)
class ConnectResult:
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
    """The connection goes to a proxy configured in the environment."""

    @property
    def is_open(self) -> bool:
        """Return whether a connection stood."""
        return self.reach is Reach.OPEN


async def resolve(host: str, port: int, seconds: float = 5.0) -> tuple[str, ...]:
    """Return the addresses of a name, each once, in the resolver's order.

    Raises:
        socket.gaierror: the name is not known, or the resolver does not answer.
    """
    loop = asyncio.get_running_loop()
    try:
        async with limit(seconds):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise socket.gaierror(socket.EAI_AGAIN, f"the resolver gave no answer within {seconds:g} s") from error
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from error
    return tuple(dict.fromkeys(str(info[4][0]) for info in found))


async def resolve_contact(host: str, port: int) -> ConnectResult:
    """Resolve a name, and no more: OPEN says here that it is known."""
    try:
        return ConnectResult(Reach.OPEN, host, port, await resolve(host, port))
    except socket.gaierror as error:
        return ConnectResult(Reach.UNKNOWN_NAME, host, port, detail=error.strerror or str(error), number=error.errno)


async def connect(host: str, port: int, *, seconds: float = CONNECT_SECONDS, tries: int = TRIES) -> ConnectResult:
    """Resolve and connect, every address at once; silence is believed only when it lasts for all tries."""
    named = await resolve_contact(host, port)
    if not named.is_open:
        return named
    addresses = named.addresses
    contact = ConnectResult(Reach.SILENT, host, port, addresses)
    for _ in range(tries):
        contacts = await asyncio.gather(*(_connect(host, port, addresses, a, seconds) for a in addresses[:4]))
        contact = min(contacts, key=lambda c: _TELLING.index(c.reach))
        if contact.reach is not Reach.SILENT:
            return contact
    return contact


_TELLING = (Reach.OPEN, Reach.REFUSED, Reach.SILENT, Reach.NO_ROUTE, Reach.RESET)


async def _connect(host: str, port: int, addresses: tuple[str, ...], address: str, seconds: float) -> ConnectResult:
    started = time.perf_counter()
    try:
        async with limit(seconds):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return ConnectResult(Reach.SILENT, host, port, addresses, address, f"no answer within {seconds:g} s")
    except OSError as error:
        return ConnectResult(
            classify_error(error), host, port, addresses, address, error.strerror or str(error), error.errno
        )
    rtt = (time.perf_counter() - started) * 1000
    await close(writer)
    return ConnectResult(Reach.OPEN, host, port, addresses, address, rtt_ms=rtt)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection without waiting for a peer that does not answer."""
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
        async with limit(0.5):
            await writer.wait_closed()


def classify_error(error: BaseException) -> Reach:
    """Classify an exception of a socket, of httpx or of an SDK."""
    for cause in exception_chain(error):
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


def exception_chain(error: BaseException) -> Iterator[BaseException]:
    """Walk an exception, its causes, and the members of groups, innermost last."""
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


async def exchange(
    contact: ConnectResult, question: bytes, *, tls: ssl.SSLContext | None = None, seconds: float = 2.5
) -> bytes:
    """Send bytes and return the first bytes (at most 512) of the response; empty if the peer closes.

    Raises TimeoutError (no response) and OSError (connection lost).
    """
    async with limit(seconds):
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
    """Return the shortest of several connection times in ms; None if none succeeded.

    It blocks: call it in a thread. The shortest is the distance; the rest is load.
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


def is_remote(addresses: tuple[str, ...]) -> bool:
    """Return whether traffic to these addresses is seen by anybody else: loopback and our own interfaces are not."""
    import ipaddress

    import psutil

    own = {a.address.split("%")[0] for interface in psutil.net_if_addrs().values() for a in interface}
    return not all(address in own or ipaddress.ip_address(address.split("%")[0]).is_loopback for address in addresses)
