"""Keep a service's port open across restarts of the service: `python -IS keep.py gateway --host … --port …`."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

NOTE = os.environ.get("TMPDIR", "/tmp") + "/keep"  # noqa: S108 - the container's own
"""The file that tells `renew` the pid of the port holder and the number of starts so far."""
BACKLOG = 2048
END_SECONDS = 30.0
"""Longer than a service takes to end by itself."""
READY_SECONDS = 90.0
_POLL_SECONDS = 0.05
_HEARD = {signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM}


def main(arguments: list[str]) -> int:
    """Hold a port, or restart the service behind it. Returns the exit status."""
    if arguments == ["renew"]:
        return renew()
    host, port = (arguments[arguments.index(option) + 1] for option in ("--host", "--port"))
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    with socket.create_server((host, int(port)), backlog=BACKLOG) as listener:
        return keep(arguments, listener)


def keep(arguments: list[str], listener: socket.socket) -> int:
    """Run the service until it exits, and again after each SIGHUP. Returns its status as a shell would."""
    service, starts = start(arguments, listener, 1), 1
    renewing = ending = False
    while True:
        heard = signal.sigtimedwait(_HEARD, END_SECONDS) if renewing else signal.sigwaitinfo(_HEARD)
        if heard is None:
            service.kill()
        elif heard.si_signo == signal.SIGCHLD and (status := service.poll()) is not None:
            if ending or not renewing:
                return status if status >= 0 else 128 - status
            starts, renewing = starts + 1, False
            service = start(arguments, listener, starts)
        elif heard.si_signo == signal.SIGHUP:
            renewing = True
            service.terminate()
        elif heard.si_signo != signal.SIGCHLD:
            ending = True
            service.send_signal(heard.si_signo)


def start(arguments: list[str], listener: socket.socket, starts: int) -> "subprocess.Popen[bytes]":
    """Start the service on the open port and write the pid file."""
    service = subprocess.Popen(
        [sys.executable, "-m", "salambot.http.server", *arguments],
        env={**os.environ, "SALAMBOT_LISTENER": str(listener.fileno())},
        pass_fds=(listener.fileno(),),
        # What is blocked here would stay blocked there. There is one thread.
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD),  # noqa: PLW1509
    )
    with open(f"{NOTE}.new", "w") as note:  # noqa: PTH123 - as in healthcheck.py
        note.write(f"{os.getpid()} {starts} {listener.getsockname()[1]}")
    os.replace(f"{NOTE}.new", NOTE)  # noqa: PTH105 - as above
    return service


def noted() -> tuple[int, int, int]:
    """Return the pid of the port holder, the number of starts, and the port. Raises OSError."""
    with open(NOTE) as note:  # noqa: PTH123 - as above
        keeper, starts, port = note.read().split()
    return int(keeper), int(starts), int(port)


def renew() -> int:
    """Restart the service. Returns 0 once it is ready."""
    keeper, before, port = noted()
    os.kill(keeper, signal.SIGHUP)
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if noted()[1] > before and is_ready(port):
            return 0
        time.sleep(_POLL_SECONDS)
    sys.stderr.write(f"not ready after {READY_SECONDS:.0f} s\n")
    return 1


def is_ready(port: int) -> bool:
    """Probe the service. The connection waits at the open port while the service starts."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=READY_SECONDS) as server:
        server.sendall(b"GET /health/ready HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        return server.recv(64).split()[1:2] == [b"200"]
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
