"""Start one service, or several in one process."""

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

from salambot.core import process_services
from salambot.core.mounted_secrets import load_mounted_secrets
from salambot.http.listener import STOP_SECONDS, Listener, listener_config
from salambot.rpc.in_process import Address, register_local
from salambot.rpc.server import EndpointRegistry, UpgradingHttpProtocol

_YOUNG = 10_000
"""Objects made before the youngest are looked at; Python's own 700 are fewer than a burst of requests makes."""
SERVICES = ("gateway", "orchestrateur", "nlu", "rag")
"""Callers come before callees."""


def main() -> None:
    """Parse the command line and serve until SIGTERM; requests under way get `--grace` seconds to end."""
    parser = argparse.ArgumentParser(prog="salambot.http.server", description=__doc__)
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
    process_services.register_services([service for service, _ in wanted])
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
    """Freeze the 140,000 objects of start-up out of garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


@dataclass(frozen=True)
class HostedService:
    """A service hosted by this process."""

    name: str
    address: Address
    exchanges: EndpointRegistry | None
    listener: Listener
    sockets: list[socket.socket]

    async def serve(self) -> None:
        """Serve until `listener.should_exit`; other services of this process call it directly."""
        process_services.set_current_service(self.name)
        serving = asyncio.create_task(self.listener.serve(self.sockets))
        listening = asyncio.create_task(self.listener.listens.wait())
        await asyncio.wait((serving, listening), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        try:
            with register_local(self.address, self.exchanges) if self.exchanges else nullcontext():
                await serving
        finally:
            process_services.mark_stopped(self.name)


def _hosted(
    service: str, app: FastAPI, host: str, port: int, grace_s: int, listener: socket.socket | None
) -> HostedService:
    config = listener_config(app, host, port, http=UpgradingHttpProtocol, grace_s=grace_s)
    exchanges = getattr(app.state, "exchanges", None)
    return HostedService(service, (host, port), exchanges, Listener(config), [listener or config.bind_socket()])


def serve(app: FastAPI, host: str, port: int, grace_s: int = STOP_SECONDS) -> None:
    """Serve an application until a signal; exit with uvicorn's status if it cannot start."""
    _run([_hosted("", app, host, port, grace_s, None)])


def _run(hosted: Sequence[HostedService]) -> None:
    uvloop.run(_until_told(hosted))
    if not all(one.listener.started for one in hosted):
        sys.exit(STARTUP_FAILURE)


async def _until_told(hosted: Sequence[HostedService]) -> None:
    """Serve until a signal, then drain. A second signal stops at once."""
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


def _inherited() -> list[socket.socket]:
    """Return the listening sockets that a supervisor opened, in the services' order, and keeps open over restarts."""
    descriptors = os.environ.pop("SALAMBOT_LISTENER", "")
    return [socket.socket(fileno=int(descriptor)) for descriptor in descriptors.split(",") if descriptor]


if __name__ == "__main__":
    main()
