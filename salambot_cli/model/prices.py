"""List prices and what they are multiplied with: the values of `salambot costs`."""

from collections.abc import Mapping
from dataclasses import dataclass

from salambot_cli.model.topology import Component

PriceTable = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Usage:
    """Assumed monthly usage."""

    messages: int = 10_000
    documents_gb: float = 1.0


@dataclass(frozen=True, slots=True)
class Saving:
    """A possible saving. `usd` is the monthly difference, None if it depends on actual usage."""

    component: Component
    what: str
    usd: float | None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Prices:
    """The table: its date, its region, and a price by component and item."""

    date: str
    region: str
    hours: float
    tables: Mapping[str, PriceTable]

    def of(self, component: Component, item: str) -> float:
        """Return one price."""
        return self.tables[component][item]

    def monthly(self, component: Component, item: str) -> float:
        """Return the monthly price of an hourly item."""
        return self.of(component, item) * self.hours
