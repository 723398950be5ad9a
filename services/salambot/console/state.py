"""State that the console's views share: the services behind it, and a request for a view."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from types import MappingProxyType
from typing import cast
from urllib.parse import urlencode

from salambot.console.charts import Samples
from salambot.console.health_snapshot import HealthMonitor
from salambot.console.internal_client import InternalClient
from salambot.console.language import Say, translator
from salambot.console.reports import ReportStore

Row = Mapping[str, object]


@dataclass(frozen=True)
class Console:
    """State behind the pages. It is queried only while a page is open."""

    tenant: str
    placements: dict[str, str]
    orchestrateur: InternalClient
    rag: InternalClient
    observer: HealthMonitor
    trace_url: str = ""
    board: ReportStore = field(default_factory=ReportStore)
    samples: Samples = field(default_factory=Samples)

    @property
    def keeps_telemetry(self) -> bool:
        """Return whether traces and logs can be read here."""
        return self.placements.get("telemetry") == "local"

    @property
    def trace_page(self) -> str:
        """Return the address of a trace, with `{trace_id}` in it; empty where there is none."""
        return self.trace_url or ("/console/requests/{trace_id}" if self.keeps_telemetry else "")

    async def rows(self, path: str, member: str, query: Mapping[str, str] = MappingProxyType({})) -> list[Row]:
        """Ask orchestrateur for a list of this tenant's. Raises Problem."""
        found = await self.orchestrateur.ask(path, query={"tenant": self.tenant, **query})
        return cast("list[Row]", found.get(member, []))

    async def telemetry(self, signal: str, **query: str) -> list[Row]:
        """Return traces or logs as they are kept, the newest first. Raises Problem."""
        found = await self.orchestrateur.ask(f"/internal/telemetry/{signal}", query=query)
        return cast("list[Row]", found.get("entries", []))

    async def close(self) -> None:
        """Close the clients."""
        await self.observer.close()


@dataclass(frozen=True)
class Asked:
    """A request for a view: the reader's language, what the address asks for, and of which item."""

    language: str
    query: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""

    @property
    def say(self) -> Say:
        """Return what translates into the reader's language."""
        return translator(self.language)

    def get(self, name: str) -> str:
        """Return a parameter of the address, at most 200 characters."""
        return self.query.get(name, "")[:200]

    def address(self, view: str) -> str:
        """Return the address of this view, with what it was asked for."""
        path = f"/console/{view}/{self.identity}" if self.identity else f"/console/{view}"
        return f"{path}?{urlencode({**self.query, 'lang': self.language})}"


def words(row: Row, name: str) -> str:
    """Return a value of a row as text that may stand in HTML."""
    value = row.get(name)
    return "" if value is None else escape(str(value), quote=True)
