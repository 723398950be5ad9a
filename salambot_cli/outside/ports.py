"""TCP ports of this machine: who holds one, which is free."""

import contextlib
import socket
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port; pid and command are None where the system does not tell us."""

    port: int
    pid: int | None
    command: str | None


def free_port() -> int:
    """Ask the system for a port that is free on loopback right now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def holder_of(port: int) -> Holder:
    """Find the process that listens on a port."""
    import psutil

    with contextlib.suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                return Holder(port, connection.pid, _command(connection.pid))
    return Holder(port, None, None)


def _command(pid: int | None) -> str | None:
    import psutil

    if pid is None:
        return None
    try:
        return " ".join(psutil.Process(pid).cmdline())[:120]
    except psutil.Error:
        return None


def wildcard_listeners() -> dict[int, str]:
    """Return the ports that listen on every interface, with the name of the program where the system tells it."""
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
