"""Start one service: `python -m salambot.serve gateway --host 127.0.0.1 --port 8080`."""

import argparse
import gc
import os
import socket
import sys
from contextlib import suppress
from importlib import import_module

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from uvicorn.config import STARTUP_FAILURE

from salambot.lane.server import LaneHttp
from salambot.listeners import STOP_SECONDS, listener_config
from salambot.mounted_secrets import load_mounted_secrets

_YOUNG = 10_000
"""Objects made before the youngest are looked at; Python's own 700 are fewer than a burst of requests makes."""
_ACCEPTED_AT_ONCE = 8
SERVICES = ("gateway", "orchestrateur", "nlu", "rag")


def main() -> None:
    """Parse the command line and serve until SIGTERM; requests under way get `--grace` seconds to end."""
    parser = argparse.ArgumentParser(prog="salambot.serve", description=__doc__)
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--grace", type=int, default=STOP_SECONDS, help="seconds for requests under way at the end")
    arguments = parser.parse_args()
    load_mounted_secrets()
    create_app = import_module(f"salambot.{arguments.service}.app").create_app
    try:
        app = create_app()
    except ValidationError as error:
        found = "".join(f"\n  {'.'.join(map(str, item['loc'])).upper()} {item['msg']}" for item in error.errors())
        parser.exit(2, f"{arguments.service} cannot start, its environment is wrong:{found}\n")
    _spare_the_collector()
    serve(app, arguments.host, arguments.port, arguments.grace)


def _spare_the_collector() -> None:
    """Take what start-up made out of every later collection: 140,000 objects that stay, and a pause to look at them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


def serve(app: FastAPI, host: str, port: int, grace_s: int = STOP_SECONDS) -> None:
    """Serve an application until a signal; exit with uvicorn's status where it cannot start."""
    config = listener_config(app, host, port, http=LaneHttp, grace_s=grace_s)
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # raised again once all is shut down
        server.run(sockets=several(_inherited() or config.bind_socket()))
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def several(listener: socket.socket) -> list[socket.socket]:
    """Return a listening socket under several descriptors.

    libuv accepts one connection of each in a round of its loop (since 1.45). In a rush, when a round has hundreds of
    requests to serve, who is not connected yet would wait for many seconds, behind everybody who is.
    """
    return [listener, *(listener.dup() for _ in range(_ACCEPTED_AT_ONCE - 1))]


def _inherited() -> socket.socket | None:
    """Return the listening socket that a supervisor opened and keeps open over restarts."""
    descriptor = os.environ.pop("SALAMBOT_LISTENER", "")
    return socket.socket(fileno=int(descriptor)) if descriptor else None


if __name__ == "__main__":
    main()
