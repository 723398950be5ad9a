"""The monthly cost of an environment by component, from a dated table of list prices. Pure."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from salambot_cli.host.assets import asset
from salambot_cli.model.environment import Environment
from salambot_cli.model.topology import COMPONENTS, Component
from salambot_cli.render.infrastructure import CACHE_NODE_TYPE, DATABASE_CLASS

Table = Mapping[str, float]
_DATABASE, _DATABASE_GB, _CACHE = DATABASE_CLASS, 20, CACHE_NODE_TYPE
"""Sizes that `salambot provision` creates."""
_NIGHTS_AND_WEEKENDS = 1 - 50 / 168
"""The share of a week outside five days of ten hours."""
_TOKENS_IN, _TOKENS_OUT = 600, 150
"""Of one reply, with five passages."""
_VECTORS_GB = 0.5
_RARELY_READ = 0.7
_DEVELOPMENT_ACU = 0.15
"""Mean capacity of an Aurora that pauses when idle, used a few hours a day."""


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
class Line:
    """The estimate of one component: its assumption, and its price a month in US dollars."""

    component: Component
    placement: str
    what: str
    usd: float


@dataclass(frozen=True, slots=True)
class Prices:
    """The table: its date, its region, and a price by component and item."""

    date: str
    region: str
    hours: float
    tables: Mapping[str, Table]

    def of(self, component: Component, item: str) -> float:
        """Return one price."""
        return self.tables[component][item]

    def monthly(self, component: Component, item: str) -> float:
        """Return the monthly price of an hourly item."""
        return self.of(component, item) * self.hours


@cache
def prices() -> Prices:
    """Return the shipped table."""
    table = tomllib.loads(asset("templates/prices.toml").read_text(encoding="utf-8"))
    tables = {name: held for name, held in table.items() if isinstance(held, dict)}
    return Prices(table["date"], table["region"], float(table["hours"]), tables)


def estimate(environment: Environment, usage: Usage, table: Prices) -> list[Line]:
    """Return one line per component, in order; local components cost nothing."""
    found = []
    for component in COMPONENTS:
        placement = environment.placement(component)
        make = _LINES.get((component, placement))
        what, usd = make(usage, table) if make else ("on this machine", 0.0)
        found.append(Line(component, placement, what, round(usd, 2)))
    return found


def savings(environment: Environment, usage: Usage, table: Prices) -> list[Saving]:
    """Return possible savings in this environment."""
    return [
        saving
        for (component, placement), make in _SAVINGS.items()
        if environment.placement(component) == placement
        for saving in make(usage, table)
    ]


def _postgres(_: Usage, table: Prices) -> tuple[str, float]:
    running = table.monthly("postgres", _DATABASE) + table.monthly("postgres", "public_address")
    what = f"RDS {_DATABASE}, {_DATABASE_GB} GB, one zone"
    return what, running + _DATABASE_GB * table.of("postgres", "storage_gb")


def _redis(_: Usage, table: Prices) -> tuple[str, float]:
    return f"ElastiCache {_CACHE}, one node", table.monthly("redis", _CACHE)


def _pinecone(usage: Usage, table: Prices) -> tuple[str, float]:
    reads = usage.messages * 5 * table.of("vector", "serverless_read_unit")
    return "Pinecone serverless, under 100,000 vectors", reads + _VECTORS_GB * table.of("vector", "serverless_gb")


def _qdrant(_: Usage, table: Prices) -> tuple[str, float]:
    return "Qdrant Cloud, the free cluster", table.of("vector", "qdrant_free")


def _s3(usage: Usage, table: Prices) -> tuple[str, float]:
    storage = usage.documents_gb * table.of("objects", "standard_gb")
    return f"S3, {usage.documents_gb:g} GB of documents", storage + table.of("objects", "put_1000")


def _aws_secrets(_: Usage, table: Prices) -> tuple[str, float]:
    return "Secrets Manager, one secret, one KMS key", table.of("secrets", "secret") + table.of("secrets", "key")


def _otlp(_: Usage, table: Prices) -> tuple[str, float]:
    return "Grafana Cloud, the free tier", table.of("telemetry", "free_tier")


def _openai(usage: Usage, table: Prices) -> tuple[str, float]:
    return f"{usage.messages} replies of gpt-4.1-mini", usage.messages * _reply(table)


def _reply(table: Prices) -> float:
    paid = _TOKENS_IN * table.of("llm", "input_million") + _TOKENS_OUT * table.of("llm", "output_million")
    return paid / 1_000_000


def _cloudflared(_: Usage, table: Prices) -> tuple[str, float]:
    return "cloudflared, a quick tunnel", table.of("tunnel", "cloudflared")


def _ngrok(_: Usage, table: Prices) -> tuple[str, float]:
    return "ngrok, a domain of its own", table.of("tunnel", "ngrok")


_LINES: Mapping[tuple[Component, str], Callable[[Usage, Prices], tuple[str, float]]] = {
    ("postgres", "cloud"): _postgres,
    ("redis", "cloud"): _redis,
    ("vector", "pinecone"): _pinecone,
    ("vector", "qdrant"): _qdrant,
    ("objects", "s3"): _s3,
    ("secrets", "aws"): _aws_secrets,
    ("telemetry", "otlp"): _otlp,
    ("llm", "openai"): _openai,
    ("tunnel", "cloudflared"): _cloudflared,
    ("tunnel", "ngrok"): _ngrok,
}


def _save_postgres(_: Usage, table: Prices) -> Iterator[Saving]:
    running = table.monthly("postgres", _DATABASE) + table.monthly("postgres", "public_address")
    yield Saving(
        "postgres", "stop RDS at night and at weekends", round(running * _NIGHTS_AND_WEEKENDS, 2), "salambot park"
    )
    aurora = table.monthly("postgres", "aurora_acu") * _DEVELOPMENT_ACU
    what = "Aurora Serverless v2 follows a load that changes, down to nothing when idle"
    yield Saving("postgres", what, round(running - aurora, 2) if aurora < running else None)


def _save_redis(_: Usage, table: Prices) -> Iterator[Saving]:
    yield Saving("redis", f"{_CACHE}, counted here, is enough for development", None)
    what = "ElastiCache has no stop: with a local Redis nothing is paid while nobody works"
    yield Saving("redis", what, round(table.monthly("redis", _CACHE), 2), 'placement: redis = "local"')


def _save_pinecone(_: Usage, __: Prices) -> Iterator[Saving]:
    yield Saving("vector", "a serverless index, counted here, holds what a p1.x1 pod does: 100,000 vectors", None)
    yield Saving("vector", "delete indexes that nobody asks", None, "salambot doctor vector")


def _save_s3(usage: Usage, table: Prices) -> Iterator[Saving]:
    cheaper = table.of("objects", "standard_gb") - table.of("objects", "infrequent_gb")
    usd = round(usage.documents_gb * _RARELY_READ * cheaper, 2)
    yield Saving("objects", "Intelligent-Tiering for documents that are rarely read", usd, "salambot provision --plan")
    yield Saving("objects", "empty buckets that were made for tests", None, "aws s3 ls")


def _save_openai(usage: Usage, table: Prices) -> Iterator[Saving]:
    passages = usage.messages * 0.4 * _TOKENS_IN * table.of("llm", "input_million") / 1_000_000
    yield Saving("llm", "a top_k of 3 and short documents make questions to the model shorter", round(passages, 2))


_SAVINGS: Mapping[tuple[Component, str], Callable[[Usage, Prices], Iterator[Saving]]] = {
    ("postgres", "cloud"): _save_postgres,
    ("redis", "cloud"): _save_redis,
    ("vector", "pinecone"): _save_pinecone,
    ("objects", "s3"): _save_s3,
    ("llm", "openai"): _save_openai,
}
