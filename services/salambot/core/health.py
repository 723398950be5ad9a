"""`/health`, `/health/ready` and `/metrics`: liveness, readiness and metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import orjson
import structlog
from fastapi import FastAPI, Request
from starlette.responses import Response

from salambot.core.metrics import ServiceRegistry, exposition
from salambot.core.schemas import utc_now, utc_text

State = Literal["ok", "degraded", "down"]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency. `probe` returns a state (None is `ok`) or raises; `timeout` is in seconds."""

    name: str
    probe: Callable[[], Awaitable[State | None]]
    matters: bool = True
    """True if readiness answers 503 while this dependency is down."""
    timeout: float = 2.0


@cache
def current_version() -> str:
    """Return the version of the installed distribution, or a placeholder in a checkout that is not installed."""
    try:
        return version("salambot")
    except PackageNotFoundError:
        return "0.0.0+checkout"


async def _run(check: Check, down: set[str]) -> dict[str, object]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(check.timeout):
            state = await check.probe() or "ok"
        if check.name in down:
            down.discard(check.name)
            _log.info("dependency is back", dependency=check.name)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in a probe is its finding
        if check.name not in down:  # once: readiness is asked several times a second while a stack starts
            down.add(check.name)
            _log.warning("dependency is down", dependency=check.name, exc_info=error)
        state = "down"
    return {"name": check.name, "status": state, "latency_ms": round((time.perf_counter() - started) * 1000, 1)}


def _overall(checks: Sequence[Check], found: Sequence[dict[str, object]]) -> State:
    if any(check.matters and item["status"] == "down" for check, item in zip(checks, found, strict=True)):
        return "down"
    return "ok" if all(item["status"] == "ok" for item in found) else "degraded"


def add_routes(app: FastAPI, service: str, checks: Sequence[Check]) -> None:
    """Add the three routes of one service: to the app itself, because an included router slows every request down."""

    down: set[str] = set()

    def describe(status: State) -> dict[str, object]:
        return {"status": status, "service": service, "version": current_version(), "time": utc_text(utc_now())}

    @app.get("/health", tags=["health"])
    async def health() -> Response:
        """Return 200 in constant time."""
        return Response(orjson.dumps(describe("ok")), media_type="application/json")

    @app.get("/health/ready", tags=["health"], responses={503: {"description": "A dependency that matters is down"}})
    async def ready() -> Response:
        """Return the readiness of the service and of each dependency."""
        found = await asyncio.gather(*(_run(check, down) for check in checks))
        status = _overall(checks, found)
        body = orjson.dumps({**describe(status), "dependencies": found})
        return Response(body, 503 if status == "down" else 200, media_type="application/json")

    @app.get("/metrics", tags=["health"])
    async def metrics(request: Request) -> Response:
        """Return the metrics as Prometheus text, or as OpenMetrics with exemplars when the client accepts it."""
        content, content_type = exposition(ServiceRegistry(service), request.headers.get("accept"))
        return Response(content, headers={"Content-Type": content_type})
