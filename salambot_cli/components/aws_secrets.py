"""AWS Secrets Manager: where an environment's secrets are kept."""

from salambot_cli.components.description import Placement, VariableSpec
from salambot_cli.model.prices import Prices, Usage
from salambot_contracts.http_url import parse_http_url


def _monthly(_: Usage, prices: Prices) -> tuple[str, float]:
    return "Secrets Manager, one secret, one KMS key", prices.of("secrets", "secret") + prices.of("secrets", "key")


AWS_SECRETS = Placement(
    "secrets",
    "aws",
    (
        VariableSpec("AWS_REGION", required=True),
        VariableSpec("AWS_ENDPOINT_URL", url=parse_http_url),
        VariableSpec("AWS_ENDPOINT_URL_SECRETS_MANAGER", url=parse_http_url),
        VariableSpec("AWS_ENDPOINT_URL_KMS", url=parse_http_url),
    ),
    older_names=("secretsmanager", "secrets-manager"),
    monthly=_monthly,
)
