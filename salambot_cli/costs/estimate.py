"""The monthly cost of an environment by component, from a dated table of list prices. Pure."""

import tomllib
from dataclasses import dataclass
from functools import cache

from salambot_cli.components import used
from salambot_cli.host.assets import asset
from salambot_cli.model.environment import Environment
from salambot_cli.model.prices import Prices, Saving, Usage
from salambot_cli.model.topology import Component


@dataclass(frozen=True, slots=True)
class Line:
    """The estimate of one component: its assumption, and its price a month in US dollars."""

    component: Component
    placement: str
    what: str
    usd: float


@cache
def prices() -> Prices:
    """Return the shipped table."""
    table = tomllib.loads(asset("templates/prices.toml").read_text(encoding="utf-8"))
    tables = {name: held for name, held in table.items() if isinstance(held, dict)}
    return Prices(table["date"], table["region"], float(table["hours"]), tables)


def estimate(environment: Environment, usage: Usage, table: Prices) -> list[Line]:
    """Return one line per component, in order; local components cost nothing."""
    found = []
    for placement in used(environment):
        what, usd = placement.monthly(usage, table) if placement.monthly else ("on this machine", 0.0)
        found.append(Line(placement.component, placement.name, what, round(usd, 2)))
    return found


def savings(environment: Environment, usage: Usage, table: Prices) -> list[Saving]:
    """Return possible savings in this environment."""
    return [
        saving for placement in used(environment) if placement.savings for saving in placement.savings(usage, table)
    ]
