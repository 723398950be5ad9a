"""TCP ports of this machine: holders, free ports."""

import contextlib
import errno
import secrets
import socket
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class PortHolder:
    """The process that listens on a port; pid and command are None if the system hides them."""

    port: int
    pid: int | None
    command: str | None


_LOWEST = 20_000
"""Above the default ports of common programs."""
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 100


def free_port(but: Collection[int] = ()) -> int:
    """Return a port that is free on loopback, and that no outgoing connection is given before a server takes it.

    A port that the system hands out by itself (`bind` to 0) may be lent to any client the moment it is released.
    """
    for _ in range(_TRIES):
        port = _LOWEST + secrets.randbelow(max(1, _first_ephemeral() - _LOWEST))
        if port not in but and is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _first_ephemeral() -> int:
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768 if sys.platform == "linux" else 49_152  # IANA's range, which macOS keeps to


def is_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_free_on_ipv6(port: int) -> bool:
    """Return whether nothing listens on this port of `::1`, where `localhost` may lead first; true without IPv6."""
    if not socket.has_ipv6:
        return True
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("::1", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def leads_elsewhere(port: int) -> bool:
    """Return True if another program gets what is meant for `localhost`: it listens on ::1, which comes first."""
    try:
        found = socket.getaddrinfo("localhost", port, socket.AF_INET6, socket.SOCK_STREAM)
    except OSError:
        return False
    return bool(found) and not is_free_on_ipv6(port)


def holder_of(port: int, *, ipv6: bool = False) -> PortHolder:
    """Find the process that listens on a port; with `ipv6` on its IPv6 side."""
    import psutil

    with contextlib.suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("tcp6" if ipv6 else "tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                return PortHolder(port, connection.pid, _command(connection.pid))
    return PortHolder(port, None, None)


def _command(pid: int | None) -> str | None:
    import psutil

    if pid is None:
        return None
    try:
        return " ".join(psutil.Process(pid).cmdline())[:120]
    except psutil.Error:
        return None


def wildcard_listeners() -> dict[int, str]:
    """Return the ports that listen on every interface, with the program's name if known."""
    import psutil

    found: dict[int, str] = {}
    with contextlib.suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.ip in {"0.0.0.0", "::"}:  # noqa: S104 - reads, binds nothing
                found[connection.laddr.port] = _program(connection.pid)
    return found


def _program(pid: int | None) -> str:
    import psutil

    try:
        return psutil.Process(pid).name() if pid is not None else ""
    except psutil.Error:
        return ""
