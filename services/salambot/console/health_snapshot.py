"""Health of the environment, as the gateway and the services behind it see one another."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from salambot.console.internal_client import InternalClient
from salambot.core.problems import Problem

_FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Health at one moment: `health` by part (`ok`, `degraded`, `down`), `latency` in ms by (caller, callee)."""

    health: Mapping[str, str] = field(default_factory=dict)
    latency: Mapping[tuple[str, str], float] = field(default_factory=dict)


class HealthMonitor:
    """Probes on demand, at most once a second whatever the number of viewers."""

    def __init__(self, neighbours: tuple[InternalClient, ...], redis: Callable[[], Awaitable[object]]) -> None:
        self._neighbours = neighbours
        self._redis = redis
        self._lock = asyncio.Lock()
        self._last: tuple[float, Snapshot] = (-_FRESH_SECONDS, Snapshot())

    async def snapshot(self) -> Snapshot:
        """Return the current snapshot, at most one second old."""
        async with self._lock:
            if time.monotonic() - self._last[0] >= _FRESH_SECONDS:
                self._last = (time.monotonic(), await self._look_again())
            return self._last[1]

    async def close(self) -> None:
        """Close the connections to the services."""
        for neighbour in self._neighbours:
            await neighbour.close()

    async def _look_again(self) -> Snapshot:
        health = {"gateway": "ok"}
        latency: dict[tuple[str, str], float] = {}
        asked = await asyncio.gather(*map(self._ask, self._neighbours), self._ping())
        for neighbour, (state, took, seen) in zip(self._neighbours, asked[:-1], strict=True):
            health[neighbour.name] = state
            latency["gateway", neighbour.name] = took
            for name, (dependency, between) in seen.items():
                health.setdefault(name, dependency)
                latency[neighbour.name, name] = between
        health["redis"], latency["gateway", "redis"], _ = asked[-1]
        return Snapshot(health, latency)

    async def _ask(self, neighbour: InternalClient) -> tuple[str, float, dict[str, tuple[str, float]]]:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found = await neighbour.readiness()
            named = found.get("dependencies", ())
            seen = {str(one["name"]): (str(one["status"]), float(one["latency_ms"])) for one in named}
            return str(found["status"]), _since(began), seen
        except (Problem, TimeoutError, KeyError, TypeError, ValueError):
            return "down", _since(began), {}

    async def _ping(self) -> tuple[str, float, dict[str, tuple[str, float]]]:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._redis()
        except Exception:  # noqa: BLE001 - whatever a client raises: Redis does not answer
            return "down", _since(began), {}
        return "ok", _since(began), {}


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
