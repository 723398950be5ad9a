"""The simulation behind docs/scale.md agrees with what queueing theory knows exactly."""

import math
import statistics

import pytest

from bench.capacity.plan import Costs, plan
from bench.capacity.simulation import Route, Station, simulate

COSTS = Costs.load()
ONE_VISIT = Route(1, [("x", 1.0)])


def waits(servers: int, load: float) -> float:
    """Return the mean time in an M/M/c queue whose visits take 1 s (Erlang C)."""
    offered = servers * load
    last = offered**servers / math.factorial(servers) / (1 - load)
    waiting = last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)
    return 1 + waiting / (servers * (1 - load))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.8), (4, 0.6), (8, 0.7)])
def test_a_queue_of_several_servers_takes_what_erlang_says(servers: int, load: float) -> None:
    found = simulate({"x": Station(servers, shared=True)}, [ONE_VISIT], servers * load, 40_000 / servers)
    assert statistics.fmean(found.seconds) == pytest.approx(waits(servers, load), rel=0.08)
    assert found.busy["x"] == pytest.approx(load, rel=0.03)


def test_replicas_chosen_at_random_are_queues_of_their_own() -> None:
    found = simulate({"x": Station(4)}, [ONE_VISIT], 4 * 0.6, 10_000)
    assert statistics.fmean(found.seconds) == pytest.approx(waits(1, 0.6), rel=0.08)


def test_a_wait_for_somebody_outside_is_no_queue() -> None:
    found = simulate({"x": Station(waits_only=True)}, [Route(1, [("x", 1.0), ("x", 1.0)])], 50, 400)
    assert statistics.fmean(found.seconds) == pytest.approx(2.0, rel=0.03)
    assert found.busy == {}


@pytest.mark.parametrize("rate", [10, 1_000])
def test_the_plan_holds_in_simulation(rate: float) -> None:
    planned = plan(COSTS, rate)
    found = planned.simulated(20_000 / rate)
    for name, share in planned.busy().items():
        assert found.busy[name] == pytest.approx(share, rel=0.15), name
        assert found.busy[name] < 0.75, name
    queued = statistics.quantiles(found.seconds, n=100)[94] - planned.outside_s
    assert queued < 10 * planned.cost_s, "messages wait for one another"


def test_ten_times_the_messages_need_more_of_what_carries_them() -> None:
    small, large = plan(COSTS, 1_000), plan(COSTS, 10_000)
    assert all(large.stations[name].servers >= station.servers for name, station in small.stations.items())
    assert large.money > 5 * small.money
