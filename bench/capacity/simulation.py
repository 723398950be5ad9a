"""A discrete-event simulation of messages on their way through stations: queues, replicas, and waits of others."""

import heapq
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

WARM_UP = 0.1
"""The share of the time whose messages are not counted: the queues are empty at its start."""


@dataclass(frozen=True)
class Station:
    """Where messages are worked on."""

    servers: int = 1
    shared: bool = False
    """True if one queue feeds all servers, as the cores of a database; replicas are chosen at random."""
    waits_only: bool = False
    """A wait for somebody outside: however many wait, nobody waits longer for it."""


@dataclass(frozen=True)
class Route:
    """The way of one kind of message: its share of all, and its visits in order, a station and mean seconds each."""

    share: float
    visits: Sequence[tuple[str, float]]


@dataclass
class Outcome:
    """Seconds that messages took, oldest first, and which share of its time each station worked."""

    seconds: list[float] = field(default_factory=list)
    busy: dict[str, float] = field(default_factory=dict)


def simulate(
    stations: Mapping[str, Station], routes: Sequence[Route], rate: float, seconds: float, seed: int = 1
) -> Outcome:
    """Let messages arrive at random, `rate` a second, each on one of the routes.

    A visit takes exponentially long, which is worse than what services do: their work varies less.
    """
    dice = random.Random(seed)  # noqa: S311 - a simulation, and the same one each time
    free = {name: [0.0] * station.servers for name, station in stations.items()}
    work = dict.fromkeys(stations, 0.0)
    outcome = Outcome()
    numbers = count()
    coming: list[tuple[float, int, float, Route, int]] = []
    due = 0.0
    while (due := due + dice.expovariate(rate)) < seconds:
        (route,) = dice.choices(routes, [one.share for one in routes])
        heapq.heappush(coming, (due, next(numbers), due, route, 0))
    while coming:
        now, number, begun, route, step = heapq.heappop(coming)
        if step == len(route.visits):
            if begun > WARM_UP * seconds:
                outcome.seconds.append(now - begun)
            continue
        name, mean = route.visits[step]
        takes = dice.expovariate(1 / mean)
        work[name] += takes
        heapq.heappush(coming, (_done(free[name], stations[name], now, takes, dice), number, begun, route, step + 1))
    outcome.busy = {
        name: work[name] / (station.servers * seconds) for name, station in stations.items() if not station.waits_only
    }
    return outcome


def _done(free: list[float], station: Station, now: float, takes: float, dice: random.Random) -> float:
    """Return when a visit that arrives now is done: first come, first served. `free` says when each server is."""
    if station.waits_only:
        return now + takes
    if station.shared:
        done = max(now, free[0]) + takes
        heapq.heapreplace(free, done)
        return done
    server = dice.randrange(station.servers)
    free[server] = max(now, free[server]) + takes
    return free[server]
