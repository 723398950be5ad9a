"""From the measured costs of a message to replicas, shards, connections and money for a rate of messages."""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.capacity.simulation import Outcome, Route, Station, simulate

COSTS = Path(__file__).with_name("costs.toml")
PRICES = Path(__file__).parents[2] / "templates" / "prices.toml"
SHARES = {"message": 0.7, "reply": 0.3}
"""Messages of channels, by webhook and worker, and replies that a page asks the API for."""
VISITS = {
    "message": (
        "gateway", "postgres", "redis", "worker", "postgres", "orchestrateur", "redis", "rag", "postgres", "rag",
        "orchestrateur", "nlu", "model", "nlu", "orchestrateur", "postgres", "worker", "postgres", "channel", "worker",
    ),
    "reply": (
        "gateway", "redis", "orchestrateur", "rag", "redis", "postgres", "rag", "orchestrateur", "nlu", "model", "nlu",
        "orchestrateur", "postgres", "orchestrateur", "gateway",
    ),
}  # fmt: skip
PODS = ("gateway", "orchestrateur", "rag", "nlu", "worker")
POOLS = {"gateway": 4, "orchestrateur": 12, "rag": 8, "worker": 6}
"""Connections to Postgres that one process opens at most."""
FULL = {"postgres": 0.5, "redis": 0.5}
"""How busy a core may be; what keeps data is given more room than pods, which an autoscaler adds to."""
FULL_POD = 0.6
LARGEST_POSTGRES, LARGEST_CONNECTIONS = 32, 1_000
"""Cores of one primary and connections to it beyond which a second one, or a pooler, is the better answer."""
CORE_HOUR = {"pod": 0.04, "postgres": 0.27, "redis": 0.25}
"""US dollars a core and hour in eu-west-1, rounded: c7g on demand; db.r7g in two zones; cache.r7g with a replica."""
MODEL_TOKENS = (600, 150)
_MONTH_S = 730 * 3600


@dataclass(frozen=True)
class Costs:
    """Processor milliseconds of one message by route and process, and what is waited for outside, in seconds."""

    when: str
    milliseconds: Mapping[str, Mapping[str, float]]
    outside_s: Mapping[str, float]

    @classmethod
    def load(cls) -> "Costs":
        """Read what was measured last."""
        found = tomllib.loads(COSTS.read_text())
        return cls(found["when"], {name: found[name] for name in VISITS}, found["outside"])

    def of(self, station: str) -> float:
        """Return what the mean message costs a station, in seconds."""
        return sum(share * self.milliseconds[name].get(station, 0.0) for name, share in SHARES.items()) / 1000


@dataclass(frozen=True)
class Plan:
    """What a rate of messages needs."""

    costs: Costs
    rate: float
    stations: Mapping[str, Station]

    @cached_property
    def routes(self) -> list[Route]:
        """Return the ways of messages: a process's cost is spread evenly over its visits."""
        return [Route(SHARES[name], list(self._visits(name))) for name in VISITS]

    def _visits(self, route: str) -> Iterator[tuple[str, float]]:
        for station in VISITS[route]:
            if station in self.costs.outside_s:
                yield station, self.costs.outside_s[station]
            elif cost := self.costs.milliseconds[route].get(station, 0.0):
                yield station, cost / 1000 / VISITS[route].count(station)

    def busy(self) -> dict[str, float]:
        """Return which share of its time each station works, by the model."""
        return {
            name: self.rate * self.costs.of(name) / station.servers
            for name, station in self.stations.items()
            if not station.waits_only
        }

    def simulated(self, seconds: float) -> Outcome:
        """Let that many messages come for so many seconds."""
        return simulate(self.stations, self.routes, self.rate, seconds)

    @property
    def bottleneck(self) -> str:
        """Name what is busiest, measured by how busy it may be."""
        busy = self.busy()
        return max(busy, key=lambda name: busy[name] / FULL.get(name, FULL_POD))

    @property
    def cost_s(self) -> float:
        """Return the processor time of a mean message, in seconds."""
        return sum(self.costs.of(name) for name in (*PODS, *FULL))

    @property
    def outside_s(self) -> float:
        """Return the longest 95 of 100 messages wait outside: the waits are taken as exponential."""
        return sum(self.costs.outside_s.values()) * math.log(20)

    @property
    def connections(self) -> int:
        """Return how many connections to Postgres all processes together may open."""
        return sum(self.stations[name].servers * size for name, size in POOLS.items())

    @property
    def primaries(self) -> int:
        """Return among how many Postgres primaries the tenants are spread."""
        return math.ceil(self.stations["postgres"].servers / LARGEST_POSTGRES)

    @property
    def money(self) -> float:
        """Return US dollars a month without the language model."""
        pods = sum(self.stations[name].servers for name in PODS)
        cores = {"pod": pods, **{name: self.stations[name].servers for name in FULL}}
        return sum(CORE_HOUR[name] * number for name, number in cores.items()) * 730

    @property
    def model_money(self) -> float:
        """Return US dollars a month for a hosted language model that answers every message."""
        price = tomllib.loads(PRICES.read_text())["llm"]
        each = (MODEL_TOKENS[0] * price["input_million"] + MODEL_TOKENS[1] * price["output_million"]) / 1e6
        return float(self.rate * _MONTH_S * each)


def plan(costs: Costs, rate: float) -> Plan:
    """Return the fewest of everything that are not too busy: two pods of each at least, one core of each store."""

    def needed(name: str) -> int:
        return math.ceil(rate * costs.of(name) / FULL.get(name, FULL_POD))

    stations = {name: Station(max(2, needed(name))) for name in PODS}
    stations |= {name: Station(max(1, needed(name)), shared=name == "postgres") for name in FULL}
    return Plan(costs, rate, stations | {name: Station(waits_only=True) for name in costs.outside_s})
