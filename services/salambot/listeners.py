"""How every listener of a service speaks HTTP: one set of bounds, whether its callers are near or public."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from salambot.bounded_http import BoundedHttp, Connections

STOP_SECONDS = 3
"""How long requests under way may take to end once the service is to stop, where nobody says otherwise."""
IDLE_SECONDS = 75
"""How long a connection may wait for its next request: longer than any client here keeps one."""


def listener_config(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    has_lifespan: bool = True,
    http: type[BoundedHttp] = BoundedHttp,
    grace_s: int = STOP_SECONDS,
) -> uvicorn.Config:
    """Return the settings of a listener; one of an application's listeners starts and ends it: `has_lifespan`."""
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
    """A listener of a process that may have others: it leaves signals to whoever started it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: Connections = Connections()
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. A port that is taken, and a service that cannot start, end the process."""
        await super().startup(sockets)
        self.listens.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is under way end. A connection that is accepted already, and not made yet, is told so when it is."""
        self.server_state.stopping = True
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them."""
        yield
