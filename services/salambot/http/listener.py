"""HTTP settings of every listener: one set of limits, for local and public callers."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from salambot.http.protocol import ListenerState, TimeoutHttpProtocol

STOP_SECONDS = 3
"""Default grace period for in-flight requests, in seconds."""
IDLE_SECONDS = 75
"""Keep-alive timeout in seconds; longer than any of our clients keeps an idle connection."""
_ACCEPTED_AT_ONCE = 8


def listener_config(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    has_lifespan: bool = True,
    http: type[TimeoutHttpProtocol] = TimeoutHttpProtocol,
    grace_s: int = STOP_SECONDS,
) -> uvicorn.Config:
    """Return the settings of a listener. Only one listener of an application runs its lifespan: `has_lifespan`."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=http,
        ws="none",
        lifespan="on" if has_lifespan else "off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=grace_s,
        timeout_keep_alive=IDLE_SECONDS,
    )


class Listener(uvicorn.Server):
    """A uvicorn server that leaves signal handling to its owner."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: ListenerState = ListenerState()
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening. A taken port or a failing start-up ends the process."""
        listening = sockets or [self.config.bind_socket()]
        await super().startup([one for listener in listening for one in _duplicate_socket(listener)])
        self.listens.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish in-flight requests. A connection accepted but not yet set up is closed as soon as it is."""
        self.server_state.stopping = True
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handler."""
        yield


def _duplicate_socket(listener: socket.socket) -> list[socket.socket]:
    """Return a listening socket under several descriptors.

    libuv accepts one connection of each in a round of its loop (since 1.45). In a rush, when a round has hundreds of
    requests to serve, who is not connected yet would wait for many seconds, behind everybody who is.
    """
    return [listener, *(listener.dup() for _ in range(_ACCEPTED_AT_ONCE - 1))]
