"""Pinecone: a managed vector index."""

from collections.abc import Iterator

from salambot_cli.components.description import INDEXERS, Placement, VariableSpec
from salambot_cli.model.environment import Environment
from salambot_cli.model.prices import Prices, Saving, Usage
from salambot_contracts.http_url import HttpUrl, parse_http_url

_VECTORS_GB = 0.5


def _controller(text: str) -> HttpUrl:
    """Read PINECONE_CONTROLLER_HOST, which Pinecone's client takes without a scheme too."""
    return parse_http_url(text if "://" in text else f"https://{text}")


def _address(environment: Environment) -> str:
    return environment.value("PINECONE_CONTROLLER_HOST") or "https://api.pinecone.io"


def _monthly(usage: Usage, prices: Prices) -> tuple[str, float]:
    reads = usage.messages * 5 * prices.of("vector", "serverless_read_unit")
    return "Pinecone serverless, under 100,000 vectors", reads + _VECTORS_GB * prices.of("vector", "serverless_gb")


def _savings(_: Usage, __: Prices) -> Iterator[Saving]:
    yield Saving("vector", "a serverless index, counted here, holds what a p1.x1 pod does: 100,000 vectors", None)
    yield Saving("vector", "delete indexes that nobody asks", None, "salambot doctor vector")


PINECONE = Placement(
    "vector",
    "pinecone",
    (
        VariableSpec(
            "PINECONE_API_KEY",
            "the key of the Pinecone project",
            "pcsk_…",
            readers=INDEXERS,
            secret=True,
            required=True,
            refuse_well_known=True,
        ),
        VariableSpec(
            "PINECONE_INDEX",
            "the Pinecone index; it is created when it is missing",
            "salambot-kb",
            readers=INDEXERS,
            required=True,
        ),
        VariableSpec(
            "PINECONE_CONTROLLER_HOST",
            "another control plane than Pinecone's own",
            "https://api.pinecone.io",
            readers=INDEXERS,
            url=_controller,
        ),
    ),
    recognized_by="PINECONE_API_KEY",
    older_names=("Pinecone",),
    address=_address,
    monthly=_monthly,
    savings=_savings,
)
