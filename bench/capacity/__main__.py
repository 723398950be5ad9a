"""`python -m bench.capacity`: what 10, 1,000 and 100,000 messages a second need; `--measure` measures one first."""

import argparse
import os
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path

from bench.capacity.measure import measure
from bench.capacity.plan import COSTS, FULL, PODS, Costs, Plan, plan
from bench.stack import running_stack
from bench.table import put

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
RATES = (10, 1_000, 100_000)
SIMULATED_MESSAGES = 50_000
SIMULATED_UP_TO = 1_000


def write_costs() -> None:
    """Measure on a stack of its own, and keep what was found; what is waited for outside stays as it was given."""
    with running_stack() as stack:
        found = measure(stack)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    first, _, _ = COSTS.read_text().partition("\n")
    lines = [first, f'when = "{datetime.now(UTC):%Y-%m-%d}, {machine}"', ""]
    for route, costs in found.items():
        lines += [f"[{route}]", *(f"{name} = {cost:.2f}" for name, cost in costs.items() if cost >= 0.005), ""]
    _, _, outside = COSTS.read_text().partition("[outside]")
    COSTS.write_text("\n".join(lines) + f"\n[outside]{outside}")


def table(plans: list[Plan]) -> str:
    """Return what each rate needs, and what its simulation says."""
    lines = ["| | ms a message | " + " | ".join(f"{one.rate:,.0f}/s" for one in plans) + " |"]
    lines.append("|---|---:|" + "---:|" * len(plans))
    for name in (*PODS, *FULL):
        unit = "cores" if name == "postgres" else "shards" if name == "redis" else "pods"
        cells = [f"{one.stations[name].servers} {unit}, {one.busy()[name]:.0%} busy" for one in plans]
        lines.append(f"| {name} | {plans[0].costs.of(name) * 1000:.2f} | {' | '.join(cells)} |")
    lines += [_line(what, cells) for what, cells in _sums(plans)]
    return "\n".join(lines)


def _sums(plans: list[Plan]) -> list[tuple[str, list[str]]]:
    return [
        ("Postgres primaries", [str(one.primaries) for one in plans]),
        ("connections to Postgres, at most", [f"{one.connections:,}" for one in plans]),
        ("busiest", [one.bottleneck for one in plans]),
        ("simulated: busiest of all", [_simulated(one)[0] for one in plans]),
        ("simulated: waits for one another, median / slowest hundredth", [_simulated(one)[1] for one in plans]),
        ("US dollars a month, without a model", [f"{one.money:,.0f}" for one in plans]),
        ("a hosted model for every message", [f"{one.model_money:,.0f}" for one in plans]),
    ]


def _simulated(planned: Plan) -> tuple[str, str]:
    """Return the busiest station of a simulation, and what messages took in it without any wait outside."""
    if planned.rate > SIMULATED_UP_TO:
        return "", ""
    here = Plan(Costs(planned.costs.when, planned.costs.milliseconds, {}), planned.rate, planned.stations)
    found = here.simulated(SIMULATED_MESSAGES / planned.rate)
    name = max(found.busy, key=lambda one: found.busy[one])
    cuts = statistics.quantiles(found.seconds, n=100)
    return f"{name}, {found.busy[name]:.0%}", f"{cuts[49] * 1000:.0f} / {cuts[98] * 1000:.0f} ms"


def _line(what: str, cells: list[str]) -> str:
    return f"| {what} | | {' | '.join(cells)} |"


def main() -> None:
    """Measure where asked to, plan, simulate, print, and write the table."""
    parser = argparse.ArgumentParser(prog="bench.capacity", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure what a message costs, on a stack of its own")
    if parser.parse_args().measure:
        write_costs()
    costs = Costs.load()
    text = table([plan(costs, rate) for rate in RATES])
    print(text)
    put("capacity", f"{text}\n\nCosts of {costs.when}.", PAGE)


if __name__ == "__main__":
    main()
