"""Qdrant: a vector database, managed or on a server of one's own."""

from salambot_cli.components.description import INDEXERS, Placement, VariableSpec, is_on_another_machine
from salambot_cli.model.environment import Environment
from salambot_cli.model.prices import Prices, Usage
from salambot_contracts.http_url import parse_qdrant_url


def _address(environment: Environment) -> str:
    return parse_qdrant_url(environment.value("QDRANT_URL") or "").text()


def _monthly(_: Usage, prices: Prices) -> tuple[str, float]:
    return "Qdrant Cloud, the free cluster", prices.of("vector", "qdrant_free")


QDRANT = Placement(
    "vector",
    "qdrant",
    (
        VariableSpec(
            "QDRANT_URL",
            "the Qdrant cluster",
            "https://….cloud.qdrant.io:6333",
            readers=INDEXERS,
            required=True,
            url=parse_qdrant_url,
        ),
        VariableSpec(
            "QDRANT_API_KEY", "the key of the Qdrant cluster", readers=INDEXERS, secret=True, refuse_well_known=True
        ),
        VariableSpec(
            "QDRANT_COLLECTION",
            "what the name of the Qdrant collection begins with",
            "shop",
            "salambot",
            readers=INDEXERS,
        ),
    ),
    recognized_by="QDRANT_URL",
    recognized=is_on_another_machine,
    older_names=("Qdrant",),
    address=_address,
    monthly=_monthly,
)
