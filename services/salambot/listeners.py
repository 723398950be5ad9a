"""How every listener of a service speaks HTTP: one set of bounds, whether its callers are near or public."""

import uvicorn
from starlette.types import ASGIApp

from salambot.bounded_http import BoundedHttp

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
