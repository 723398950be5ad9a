"""Postgres: the environment's own, or a managed one such as RDS."""

from collections.abc import Iterator

from salambot_cli.components.description import STORE_CLIENTS, Placement, VariableSpec, is_on_another_machine
from salambot_cli.model.prices import Prices, Saving, Usage
from salambot_contracts.postgres_url import parse_postgres_url

DATABASE_CLASS, DATABASE_GB = "db.t4g.micro", 20
"""The size that `salambot provision` creates."""
_NIGHTS_AND_WEEKENDS = 1 - 50 / 168
"""The share of a week outside five days of ten hours."""
_DEVELOPMENT_ACU = 0.15
"""Mean capacity of an Aurora that pauses when idle, used a few hours a day."""


def _monthly(_: Usage, prices: Prices) -> tuple[str, float]:
    what = f"RDS {DATABASE_CLASS}, {DATABASE_GB} GB, one zone"
    return what, _running(prices) + DATABASE_GB * prices.of("postgres", "storage_gb")


def _running(prices: Prices) -> float:
    return prices.monthly("postgres", DATABASE_CLASS) + prices.monthly("postgres", "public_address")


def _savings(_: Usage, prices: Prices) -> Iterator[Saving]:
    running = _running(prices)
    yield Saving(
        "postgres", "stop RDS at night and at weekends", round(running * _NIGHTS_AND_WEEKENDS, 2), "salambot park"
    )
    aurora = prices.monthly("postgres", "aurora_acu") * _DEVELOPMENT_ACU
    what = "Aurora Serverless v2 follows a load that changes, down to nothing when idle"
    yield Saving("postgres", what, round(running - aurora, 2) if aurora < running else None)


LOCAL = Placement(
    "postgres",
    "local",
    (VariableSpec("POSTGRES_URL", readers=STORE_CLIENTS, secret=True),),
    older_names=("docker",),
)
CLOUD = Placement(
    "postgres",
    "cloud",
    (
        VariableSpec(
            "POSTGRES_URL",
            "the cloud database",
            "postgres://user:password@host:5432/salambot?sslmode=verify-full",
            readers=STORE_CLIENTS,
            secret=True,
            required=True,
            url=parse_postgres_url,
        ),
        VariableSpec(
            "DATABASE_URL_ADMIN",
            "a login that may create roles, for `secrets rotate postgres` alone",
            "postgres://admin:…@host:5432/postgres",
            secret=True,
        ),
    ),
    recognized_by="POSTGRES_URL",
    recognized=is_on_another_machine,
    older_names=("rds", "aws"),
    monthly=_monthly,
    savings=_savings,
)
