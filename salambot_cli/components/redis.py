"""Redis: the environment's own, or a managed one such as ElastiCache."""

from collections.abc import Iterator

from salambot_cli.components.description import STORE_CLIENTS, Placement, VariableSpec, is_on_another_machine
from salambot_cli.model.prices import Prices, Saving, Usage
from salambot_contracts.redis_url import parse_redis_url

CACHE_NODE_TYPE = "cache.t4g.micro"
"""The size that `salambot provision` creates."""


def _monthly(_: Usage, prices: Prices) -> tuple[str, float]:
    return f"ElastiCache {CACHE_NODE_TYPE}, one node", prices.monthly("redis", CACHE_NODE_TYPE)


def _savings(_: Usage, prices: Prices) -> Iterator[Saving]:
    yield Saving("redis", f"{CACHE_NODE_TYPE}, counted here, is enough for development", None)
    what = "ElastiCache has no stop: with a local Redis nothing is paid while nobody works"
    yield Saving("redis", what, round(prices.monthly("redis", CACHE_NODE_TYPE), 2), 'placement: redis = "local"')


LOCAL = Placement(
    "redis", "local", (VariableSpec("REDIS_URL", readers=STORE_CLIENTS, secret=True),), older_names=("docker",)
)
CLOUD = Placement(
    "redis",
    "cloud",
    (
        VariableSpec(
            "REDIS_URL",
            "the cloud Redis",
            "rediss://:password@host:6379/0",
            readers=STORE_CLIENTS,
            secret=True,
            required=True,
            url=parse_redis_url,
        ),
    ),
    recognized_by="REDIS_URL",
    recognized=is_on_another_machine,
    older_names=("elasticache", "aws"),
    monthly=_monthly,
    savings=_savings,
)
