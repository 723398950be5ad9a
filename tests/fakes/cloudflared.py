#!/usr/bin/env python3
"""cloudflared as far as its tunnels go: an "edge" on loopback that really proxies, the metrics server, its faults.

A quick tunnel has another URL each time it starts, and after SIGUSR1, when the one before still leads here. A named one
listens where its token says (`t`, the tunnel's id, is a port here). A file beside the program, `cloudflared.fault`,
orders a fault: `exits` at once; `hangs`: says nothing, opens nothing, and does not end when it is asked to; `slow`: the
edge does not know its name yet.
"""

import base64
import json
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def option(name: str) -> str:
    """Return the value of a command-line option."""
    return sys.argv[sys.argv.index(name) + 1]


class Edge(BaseHTTPRequestHandler):
    """The public side: passes requests on, as the edge does, with the headers that it adds."""

    origin = ""

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else None
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        headers |= {"CF-Ray": "0", "CF-Connecting-IP": "203.0.113.7", "X-Forwarded-Proto": "https"}
        request = urllib.request.Request(f"{self.origin}{self.path}", body, headers, method=self.command)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - loopback
                self._answer(response.status, response.headers.items(), response.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.headers.items(), error.read())
        except OSError:
            self._answer(502, [], b"bad gateway")

    def _answer(self, status: int, headers: object, body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:  # type: ignore[attr-defined]
            if name.lower() not in {"transfer-encoding", "connection", "content-length", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815 - the names that the library looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Metrics(BaseHTTPRequestHandler):
    """`/ready` and `/quicktunnel`."""

    hostname = ""

    def do_GET(self) -> None:
        """Answer."""
        found = {
            "/ready": {"status": 200, "readyConnections": 1},
            "/quicktunnel": {"hostname": self.hostname},
        }
        body = json.dumps(found.get(self.path, {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Open the edge on a loopback port, which stands for the host name."""
    fault = _fault()
    if fault == "exits":
        sys.exit("error: the edge refuses")
    while fault == "hangs":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pause()
    Edge.origin = option("--url")
    if "run" in sys.argv:
        open_edge(_address_of_token())
    else:
        Metrics.hostname = "http://127.0.0.1:9" if fault == "slow" else open_edge()
        signal.signal(signal.SIGUSR1, lambda *_: setattr(Metrics, "hostname", open_edge()))
    host, _, port = option("--metrics").rpartition(":")
    metrics = ThreadingHTTPServer((host, int(port)), Metrics)
    sys.stderr.write(json.dumps({"level": "info", "message": "x" * 100_000}) + "\n")  # more than a pipe holds
    metrics.serve_forever()


def open_edge(port: int = 0) -> str:
    """Listen for the public; return the URL."""
    edge = ThreadingHTTPServer(("127.0.0.1", port), Edge)
    threading.Thread(target=edge.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{edge.server_address[1]}"


def _address_of_token() -> int:
    return int(json.loads(base64.b64decode(os.environ["TUNNEL_TOKEN"]))["t"])


def _fault() -> str:
    """Faults reach it by a file: it is started by a supervisor, with an environment of its own."""
    path = f"{sys.argv[0]}.fault"
    if not os.path.exists(path):  # noqa: PTH110 - no import that is not needed
        return ""
    with open(path) as file:  # noqa: PTH123 - as above
        return file.read().strip()


if __name__ == "__main__":
    main()
