"""Start a service, or several in one process: `python -m salambot.serve gateway --host 127.0.0.1 --port 8080`.

`python -m salambot.serve gateway rag --port 8080 --port 8083` is one process with two services, each at its own port.
"""

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module

import uvloop
from fastapi import FastAPI
from pydantic import ValidationError
from uvicorn.config import STARTUP_FAILURE

from salambot import sharing
from salambot.lane.near import Address, neighbour
from salambot.lane.server import Exchanges, LaneHttp
from salambot.listeners import STOP_SECONDS, Listener, listener_config
from salambot.mounted_secrets import load_mounted_secrets

_YOUNG = 10_000
"""Objects made before the youngest are looked at; Python's own 700 are fewer than a burst of requests makes."""
_ACCEPTED_AT_ONCE = 8
SERVICES = ("gateway", "orchestrateur", "nlu", "rag")
"""Who asks comes before who is asked."""


def main() -> None:
    """Parse the command line and serve until SIGTERM; requests under way get `--grace` seconds to end."""
    parser = argparse.ArgumentParser(prog="salambot.serve", description=__doc__)
    parser.add_argument("services", choices=SERVICES, nargs="+", metavar="SERVICE", help=", ".join(SERVICES))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, action="append", help="one for each service, in their order")
    parser.add_argument("--grace", type=int, default=STOP_SECONDS, help="seconds for requests under way at the end")
    arguments = parser.parse_args()
    services, ports = arguments.services, arguments.port
    if len(services) != len(ports) or len({*services}) != len(services):
        parser.error("each service is named once, and has one --port")
    load_mounted_secrets()
    wanted = sorted(zip(services, ports, strict=True), key=lambda one: SERVICES.index(one[0]))
    sharing.share([service for service, _ in wanted])
    inherited = dict(zip(ports, _inherited(), strict=False))
    hosted = []
    for service, port in wanted:
        create_app = import_module(f"salambot.{service}.app").create_app
        try:
            app = create_app()
        except ValidationError as error:
            found = "".join(f"\n  {'.'.join(map(str, item['loc'])).upper()} {item['msg']}" for item in error.errors())
            parser.exit(2, f"{service} cannot start, its environment is wrong:{found}\n")
        hosted.append(_hosted(service, app, arguments.host, port, arguments.grace, inherited.get(port)))
    _spare_the_collector()
    _run(hosted)


def _spare_the_collector() -> None:
    """Take what start-up made out of every later collection: 140,000 objects that stay, and a pause to look at them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


@dataclass(frozen=True)
class Hosted:
    """A service of this process."""

    name: str
    address: Address
    exchanges: Exchanges | None
    listener: Listener
    sockets: list[socket.socket]

    async def serve(self) -> None:
        """Serve until `listener.should_exit`; the others of this process ask it directly meanwhile."""
        sharing.enter(self.name)
        serving = asyncio.create_task(self.listener.serve(self.sockets))
        listening = asyncio.create_task(self.listener.listens.wait())
        await asyncio.wait((serving, listening), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        try:
            with neighbour(self.address, self.exchanges) if self.exchanges else nullcontext():
                await serving
        finally:
            sharing.note_end(self.name)


def _hosted(service: str, app: FastAPI, host: str, port: int, grace_s: int, listener: socket.socket | None) -> Hosted:
    config = listener_config(app, host, port, http=LaneHttp, grace_s=grace_s)
    sockets = several(listener or config.bind_socket())
    return Hosted(service, (host, port), getattr(app.state, "exchanges", None), Listener(config), sockets)


def serve(app: FastAPI, host: str, port: int, grace_s: int = STOP_SECONDS) -> None:
    """Serve an application until a signal; exit with uvicorn's status where it cannot start."""
    _run([_hosted("", app, host, port, grace_s, None)])


def _run(hosted: Sequence[Hosted]) -> None:
    uvloop.run(_until_told(hosted))
    if not all(one.listener.started for one in hosted):
        sys.exit(STARTUP_FAILURE)


async def _until_told(hosted: Sequence[Hosted]) -> None:
    """Serve until a signal; then all let end what is under way. A second signal ends them at once."""
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            for task in serving:
                task.cancel()
        stopping.set()

    loop = asyncio.get_running_loop()
    serving = [loop.create_task(one.serve()) for one in hosted]
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    told = loop.create_task(stopping.wait())
    await asyncio.wait((*serving, told), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    for one in hosted:
        one.listener.should_exit = True
    for task in serving:
        with suppress(asyncio.CancelledError):
            await task


def several(listener: socket.socket) -> list[socket.socket]:
    """Return a listening socket under several descriptors.

    libuv accepts one connection of each in a round of its loop (since 1.45). In a rush, when a round has hundreds of
    requests to serve, who is not connected yet would wait for many seconds, behind everybody who is.
    """
    return [listener, *(listener.dup() for _ in range(_ACCEPTED_AT_ONCE - 1))]


def _inherited() -> list[socket.socket]:
    """Return the listening sockets that a supervisor opened, in the services' order, and keeps open over restarts."""
    descriptors = os.environ.pop("SALAMBOT_LISTENER", "")
    return [socket.socket(fileno=int(descriptor)) for descriptor in descriptors.split(",") if descriptor]


if __name__ == "__main__":
    main()
