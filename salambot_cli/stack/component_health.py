"""The health of each service and component, tested each time: a connection, a login, one harmless action."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from salambot_cli.api.service_client import service_client
from salambot_cli.components import used
from salambot_cli.components.description import Placement
from salambot_cli.config.endpoints import ca_bundle
from salambot_cli.host.ports import LOOPBACK, leads_elsewhere
from salambot_cli.host.state_file import read_state
from salambot_cli.host.tunnel_programs import read_tunnel_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.topology import COMPONENTS, Component
from salambot_cli.model.unit import Health, PartStatus
from salambot_contracts.postgres_url import parse_postgres_url
from salambot_contracts.redis_url import parse_redis_url
from salambot_contracts.url_text import UrlError

_SECONDS = 3.0
_OF_A_STACK = frozenset({"postgres", "redis", "vector", "objects"})
Test = Callable[[Environment], Awaitable[tuple[Health, str]]]


def load_clients() -> None:
    """Import what the tests below need: in a thread, while other programs are waited for."""
    import asyncpg  # noqa: F401 - loaded for later
    import httpx  # noqa: F401
    import redis.asyncio  # noqa: F401


def service_url(port: int | str) -> str | None:
    """Return the URL that people open; `localhost`, unless another program answers there first."""
    if not isinstance(port, int):
        return None
    return f"http://{LOOPBACK if leads_elsewhere(port) else 'localhost'}:{port}"


async def service_part(name: str, url: str | None) -> PartStatus:
    """Ask a service for its readiness."""
    if url is None:
        return PartStatus(name, "down", detail="not started")
    health, detail = await http_health(f"{url.replace('localhost', '127.0.0.1')}/health/ready")
    return PartStatus(name, health, url=url, detail=detail)


async def http_health(url: str) -> tuple[Health, str]:
    """GET a readiness URL: 200 is healthy, another answer degraded, silence unhealthy, refusal down."""
    import httpx

    try:
        async with service_client(url, seconds=_SECONDS) as client:
            response = await client.get(url)
    except httpx.ConnectError:
        return "down", "connection refused"
    except httpx.HTTPError as error:
        return "unhealthy", type(error).__name__
    if response.status_code == 200:
        return "healthy", ""
    return "degraded", _what_is_down(response.json()) if "json" in response.headers.get("content-type", "") else str(
        response.status_code
    )


def _what_is_down(answer: object) -> str:
    checks = answer.get("dependencies") or answer.get("checks") or [] if isinstance(answer, dict) else []
    names = [str(check.get("name")) for check in checks if isinstance(check, dict) and check.get("status") != "ok"]
    return f"{', '.join(names)} down" if names else "not ready"


async def component_parts(environment: Environment, *, started: bool = True) -> list[PartStatus]:
    """Test all eight components at once. Before anything is `started`, what it makes is not there yet."""

    async def test(name: Component) -> tuple[Health, str]:
        absent = not started and name in _OF_A_STACK and environment.placement(name) == "local"
        return ("down", "not started") if absent else await check_component(environment, name)

    results = await asyncio.gather(*map(test, COMPONENTS))
    return [
        PartStatus(name, health, placement=environment.placement(name), detail=detail)
        for name, (health, detail) in zip(COMPONENTS, results, strict=True)
    ]


async def check_component(environment: Environment, component: Component) -> tuple[Health, str]:
    """Test one component: how it is, and why."""
    placement = next(one for one in used(environment) if one.component == component)
    test = _STORES.get(component) or (_ON_THIS_MACHINE.get(component) if placement.name == "local" else None)
    if test is None and placement.address is None:
        return "healthy", ""  # nothing that runs by itself; the component's command looks at it
    try:
        return await asyncio.wait_for(test(environment) if test else _address(placement, environment), _SECONDS + 1)
    except TimeoutError:
        return "unhealthy", "no answer"


async def _postgres(environment: Environment) -> tuple[Health, str]:
    import asyncpg

    url = environment.value("POSTGRES_URL")
    if url is None:
        return "down", "not started"
    try:
        ca = ca_bundle(environment, "postgres")
        arguments: dict[str, Any] = parse_postgres_url(url).connect_arguments(str(ca) if ca else None)
        connection = await asyncpg.connect(**arguments, timeout=_SECONDS)
        try:
            await connection.execute("SELECT 1", timeout=_SECONDS)  # one message, which no pooler parts
        finally:
            await connection.close(timeout=1)
    except ConnectionRefusedError:
        return "down", "connection refused"
    except UrlError as error:
        return "down", f"POSTGRES_URL {error.reason}"
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return "unhealthy", _first_line(error)
    return "healthy", ""


async def _redis(environment: Environment) -> tuple[Health, str]:
    import redis.asyncio as redis

    url = environment.value("REDIS_URL")
    if url is None:
        return "down", "not started"
    try:
        parsed = parse_redis_url(url)
    except UrlError as error:
        return "down", f"REDIS_URL {error.reason}"
    if (ca := ca_bundle(environment, "redis")) and parsed.tls:
        parsed = replace(parsed, ca=str(ca))
    client = redis.Redis.from_url(parsed.text(), socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)
    try:
        await client.ping()
    except redis.ConnectionError as error:
        return "down", _first_line(error)
    except (redis.RedisError, OSError) as error:
        return "unhealthy", _first_line(error)
    finally:
        with suppress(redis.RedisError):  # it has answered: how its connection ends says nothing of it
            await client.aclose()
    return "healthy", ""


async def _folder(environment: Environment) -> tuple[Health, str]:
    folder = environment.state / "data" / "objects"
    return ("healthy", "") if await asyncio.to_thread(_writable, folder) else ("down", f"{folder} is not writable")


async def _address(placement: Placement, environment: Environment) -> tuple[Health, str]:
    try:
        return await _reachable(placement.address(environment) if placement.address else None)
    except UrlError as error:
        return "down", f"{placement.recognized_by} {error.reason}"


async def _tunnel(environment: Environment) -> tuple[Health, str]:
    """Ask the tunnel itself, whatever is configured: `up --tunnel` opens one, and what cannot be had may be missing."""
    url = read_state(environment.root).public_url
    if url is None:
        return ("healthy", "") if environment.placement("tunnel") == "none" else ("down", "not open")
    state = await read_tunnel_state(cast("int", environment.ports["tunnel"]))
    return ("healthy", url) if state.ready else ("down", f"no connection to its edge: {url} leads nowhere")


async def _reachable(url: str | None) -> tuple[Health, str]:
    """Open a TCP connection to a URL's host: enough for a glance; `salambot doctor` looks closer."""
    if not url:
        return "down", "no address is configured"
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in {"https", "rediss"} else 80)
    started = time.monotonic()
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(unquote(parts.hostname or ""), port), _SECONDS)
    except ConnectionRefusedError:
        return "down", "connection refused"
    except (OSError, TimeoutError) as error:
        return "unhealthy", _first_line(error) or "no answer"
    writer.close()
    return "healthy", f"{(time.monotonic() - started) * 1000:.0f} ms"


def _writable(folder: Path) -> bool:
    import os

    return os.access(folder, os.W_OK)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


_STORES: dict[Component, Test] = {"postgres": _postgres, "redis": _redis, "tunnel": _tunnel}
"""Components with a test of their own, wherever they stand."""
_ON_THIS_MACHINE: dict[Component, Test] = {"vector": _postgres, "objects": _folder, "telemetry": _redis}
"""The parts that a local placement is kept in."""
