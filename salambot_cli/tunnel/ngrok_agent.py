"""ngrok as a part of the keeper's own process, by its SDK: there is no child that could be left behind."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from aiohttp import web

from salambot_cli import __version__

_CONNECT_SECONDS = 30.0


@dataclass(slots=True)
class Agent:
    """State of the ngrok session."""

    url: str = ""
    connected: bool = False


async def run_ngrok(origin_port: int, status_port: int, host: str) -> int:
    """Lead the public to a port of this machine until cancelled; `host` is a reserved domain, or empty.

    NGROK_AUTHTOKEN is in the environment; NGROK_SERVER_ADDR and NGROK_CA_FILE too where agents connect to an ingress of
    their own. The SDK connects again by itself, and keeps the URL.
    """
    ngrok = import_module("ngrok")  # an extra: who needs it installs it
    agent = Agent()
    loop = asyncio.get_running_loop()

    def note(*, connected: bool) -> None:
        loop.call_soon_threadsafe(setattr, agent, "connected", connected)

    session = ngrok.SessionBuilder().authtoken_from_env().client_info("salambot", __version__)
    session = session.handle_disconnection(lambda _address, _error: note(connected=False))
    session = session.handle_heartbeat(lambda _latency: note(connected=True))
    if address := os.environ.get("NGROK_SERVER_ADDR"):
        session = session.server_addr(address)
    if authority := os.environ.get("NGROK_CA_FILE"):
        session = session.ca_cert(bytearray(await asyncio.to_thread(Path(authority).read_bytes)))
    async with _telling(agent, status_port):
        try:
            connection = await asyncio.wait_for(session.connect(), _CONNECT_SECONDS)
            endpoint = connection.http_endpoint()
            endpoint = endpoint.domain(host) if host else endpoint
            listener = await endpoint.listen_and_forward(f"http://127.0.0.1:{origin_port}")
        except (ValueError, TimeoutError) as error:  # as the SDK says whatever went wrong
            words = " ".join(str(one) for one in error.args) or f"no answer within {_CONNECT_SECONDS:.0f} s"
            print(f"ngrok: {words}", flush=True)  # noqa: T201 - becomes tunnel.log
            return 1
        agent.url, agent.connected = listener.url(), True
        try:
            await asyncio.Event().wait()
        finally:
            await connection.close()
    return 0


@asynccontextmanager
async def _telling(agent: Agent, port: int) -> AsyncIterator[None]:
    """Report the state at `/ready` and `/quicktunnel`, as cloudflared does."""

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"readyConnections": int(agent.connected)}, status=200 if agent.connected else 503)

    async def name(_: web.Request) -> web.Response:
        return web.json_response({"hostname": agent.url})

    app = web.Application()
    app.add_routes([web.get("/ready", ready), web.get("/quicktunnel", name)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()
