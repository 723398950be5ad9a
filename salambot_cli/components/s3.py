"""S3: the bucket of the documents."""

from collections.abc import Iterator

from salambot_cli.components.description import INDEXERS, Placement, VariableSpec
from salambot_cli.model.environment import Environment
from salambot_cli.model.prices import Prices, Saving, Usage
from salambot_contracts.http_url import parse_http_url

_RARELY_READ = 0.7


def _address(environment: Environment) -> str:
    url = environment.value("AWS_ENDPOINT_URL_S3") or environment.value("AWS_ENDPOINT_URL")
    return url or f"https://s3.{environment.aws.region}.amazonaws.com"


def _monthly(usage: Usage, prices: Prices) -> tuple[str, float]:
    storage = usage.documents_gb * prices.of("objects", "standard_gb")
    return f"S3, {usage.documents_gb:g} GB of documents", storage + prices.of("objects", "put_1000")


def _savings(usage: Usage, prices: Prices) -> Iterator[Saving]:
    cheaper = prices.of("objects", "standard_gb") - prices.of("objects", "infrequent_gb")
    usd = round(usage.documents_gb * _RARELY_READ * cheaper, 2)
    yield Saving("objects", "Intelligent-Tiering for documents that are rarely read", usd, "salambot provision --plan")
    yield Saving("objects", "empty buckets that were made for tests", None, "aws s3 ls")


S3 = Placement(
    "objects",
    "s3",
    (
        VariableSpec(
            "AWS_REGION",
            "the region of the bucket and of Secrets Manager",
            "eu-west-1",
            readers=INDEXERS,
            required=True,
        ),
        VariableSpec("S3_BUCKET", "the bucket of the documents", "salambot-kb", readers=INDEXERS, required=True),
        VariableSpec(
            "AWS_PROFILE", "the profile of ~/.aws/config that gives the credentials", "shop-dev", readers=INDEXERS
        ),
        VariableSpec("AWS_ACCESS_KEY_ID", "a static AWS key; a profile is safer", "AKIA…", readers=INDEXERS),
        VariableSpec("AWS_SECRET_ACCESS_KEY", "the secret half of AWS_ACCESS_KEY_ID", readers=INDEXERS, secret=True),
        VariableSpec("AWS_SESSION_TOKEN", "the token of temporary AWS credentials", readers=INDEXERS, secret=True),
        VariableSpec(
            "AWS_CA_BUNDLE",
            "certificates that AWS endpoints are verified with, behind a proxy",
            "/etc/ssl/proxy.pem",
            readers=INDEXERS,
        ),
        VariableSpec("AWS_ENDPOINT_URL", readers=INDEXERS, url=parse_http_url),
        VariableSpec("AWS_ENDPOINT_URL_S3", readers=INDEXERS, url=parse_http_url),
    ),
    recognized_by="S3_BUCKET",
    older_names=("aws", "S3"),
    address=_address,
    monthly=_monthly,
    savings=_savings,
)
