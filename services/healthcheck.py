"""Ask the server of this container whether it is ready. Docker runs it all the time: it imports next to nothing."""

import http.client
import sys
from pathlib import Path


def main() -> int:
    """Return 0 when `/health/ready` answers 200 on the port that process 1 was started with."""
    arguments = Path("/proc/1/cmdline").read_text().split("\0")
    connection = http.client.HTTPConnection("127.0.0.1", int(arguments[arguments.index("--port") + 1]), timeout=3)
    try:
        connection.request("GET", "/health/ready")
        return int(connection.getresponse().status != 200)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
