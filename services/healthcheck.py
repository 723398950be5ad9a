"""Ask the server of this container whether it is ready. Docker runs it all the time: it imports next to nothing."""

import socket
import sys


def main() -> int:
    """Return 0 when `/health/ready` answers 200 on the port that process 1 was started with."""
    with open("/proc/1/cmdline") as file:  # noqa: PTH123 - pathlib takes longer to load than all the rest
        arguments = file.read().split("\0")
    try:
        with socket.create_connection(
            ("127.0.0.1", int(arguments[arguments.index("--port") + 1])), timeout=3
        ) as server:
            server.sendall(b"GET /health/ready HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            return int(server.recv(64).split()[1:2] != [b"200"])
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
