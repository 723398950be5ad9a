"""Opens and closes the tunnel of an environment: a unit of the supervisor, whichever runtime runs the services."""

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlsplit

from salambot_cli.host.probe_http import Answer, request
from salambot_cli.host.tunnel_programs import TunnelKind, find_cloudflared, read_tunnel_state, require_ngrok
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, SalamBotError
from salambot_cli.model.plan import WantedPart
from salambot_cli.model.unit import Readiness, Unit
from salambot_cli.stack.runtimes.tunnel_faults import explain_start
from salambot_cli.stack.supervisor_client import SupervisorClient, UnitFailedError, python_environment
from salambot_cli.stack.supervisor_protocol import marks

TUNNEL = "tunnel"
_READY_SECONDS = 30.0
_URL_SECONDS = 15.0
_POLL_SECONDS = 0.1
_PASSED_ON = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "NGROK_SERVER_ADDR", "NGROK_CA_FILE",
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
)  # fmt: skip
"""What reaches the edge, and the engine whose gateway has to be told."""


@dataclass(frozen=True, slots=True)
class OpenedTunnel:
    """A tunnel that is connected to its edge."""

    url: str
    started: bool


async def open_tunnel(environment: Environment) -> OpenedTunnel:
    """Start the tunnel unless it runs, and wait for its URL.

    Raises:
        PrerequisiteError: the program or the SDK is missing.
        SalamBotError: it does not connect, or names no URL.
    """
    kind = cast("TunnelKind", environment.placement("tunnel"))
    unit = await asyncio.to_thread(tunnel_unit, environment, kind)
    client = SupervisorClient(environment.state)
    await client.launch()
    try:
        result = await client.ensure(unit)
    except UnitFailedError as error:
        raise explain_start(error) from error
    fixed = environment.value("PUBLIC_BASE_URL") if reserved_hostname(environment, kind) else None
    url = fixed or await _url(kind, _port(environment, TUNNEL))
    return OpenedTunnel(url.rstrip("/"), result != "unchanged")


def tunnel_wanted(environment: Environment) -> tuple[WantedPart, bool]:
    """Return the tunnel as a part, and whether it chooses its host name itself, another one each time.

    Raises:
        SalamBotError: it cannot be opened here.
    """
    kind = cast("TunnelKind", environment.placement("tunnel"))
    unit = tunnel_unit(environment, kind)
    return WantedPart(TUNNEL, marks(unit), ports={TUNNEL: _port(environment, TUNNEL)}), not reserved_hostname(
        environment, kind
    )


def tunnel_unit(environment: Environment, kind: TunnelKind) -> Unit:
    """Describe the process that keeps the tunnel. Ports have to be settled. Raises SalamBotError."""
    host, metrics, program = reserved_hostname(environment, kind), _port(environment, TUNNEL), ""
    if kind == "cloudflared":
        program = str(find_cloudflared())
    else:
        require_ngrok()
        if not environment.value("NGROK_AUTHTOKEN"):
            raise ConfigurationError(
                "ngrok needs NGROK_AUTHTOKEN", "nothing sets it", "NGROK_AUTHTOKEN=… in .env, from dashboard.ngrok.com"
            )
    module, ingress = "salambot_cli.tunnel.tunnel_process", str(_port(environment, "ingress"))
    return Unit(
        name=TUNNEL,
        argv=(sys.executable, "-P", "-m", module, str(environment.root), kind, ingress, str(metrics), program, host),
        readiness=Readiness("http", f"http://127.0.0.1:{metrics}/ready", _READY_SECONDS),
        environ=python_environment() | _credentials(environment, kind),
    )


def reserved_hostname(environment: Environment, kind: TunnelKind) -> str:
    """Return the host name of a named tunnel or reserved domain; empty where the tunnel chooses one itself."""
    configured = environment.value("PUBLIC_BASE_URL") or ""
    if kind == "cloudflared" and environment.value("TUNNEL_TOKEN") is None:
        return ""
    host = urlsplit(configured).hostname or ""
    if kind == "cloudflared" and not host:
        raise ConfigurationError(
            "a named tunnel needs PUBLIC_BASE_URL", "only you know its host name", "PUBLIC_BASE_URL=https://… in .env"
        )
    return host


def _credentials(environment: Environment, kind: TunnelKind) -> dict[str, str]:
    given = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    name = "TUNNEL_TOKEN" if kind == "cloudflared" else "NGROK_AUTHTOKEN"
    if token := environment.value(name):
        given[name] = token  # cloudflared reads it there: no file, no argument
    return given


async def _url(kind: TunnelKind, metrics_port: int) -> str:
    deadline = time.monotonic() + _URL_SECONDS
    while True:
        if url := (await read_tunnel_state(metrics_port)).url:
            return url
        if time.monotonic() > deadline:
            why = f"{kind} is connected and named none within {_URL_SECONDS:.0f} s"
            raise SalamBotError("the tunnel has no public URL", why, "salambot logs tunnel")
        await asyncio.sleep(_POLL_SECONDS)  # another process's state raises no event here


async def close_tunnel(state: Path) -> bool:
    """Stop the tunnel, and the supervisor where it holds nothing else; False where there is none."""
    client = SupervisorClient(state)
    running = await client.status()
    if running is None or TUNNEL not in cast("dict[str, object]", running["units"]):
        return False
    await client.stop(TUNNEL)
    await client.shutdown_if_empty()
    return True


async def await_own_answer(url: str, verify_token: str, seconds: float) -> Answer | None:
    """Ask through the public URL until this gateway answers: only it knows the verify token.

    Returns None once it did, else what was answered last; its `contact` is set where nothing was.
    """
    challenge = os.urandom(8).hex()
    token = quote(verify_token.split(",", maxsplit=1)[0].strip())
    query = f"hub.mode=subscribe&hub.verify_token={token}&hub.challenge={challenge}"
    deadline = time.monotonic() + seconds
    while True:
        answer = await request("GET", f"{url}/v1/webhooks/messenger?{query}", seconds=4)
        if answer.status == 200 and answer.text == challenge:
            return None
        if time.monotonic() > deadline:
            return answer
        await asyncio.sleep(0.5)  # the name of a new tunnel takes its time to be known everywhere


def _port(environment: Environment, name: str) -> int:
    return cast("int", environment.ports[name])
