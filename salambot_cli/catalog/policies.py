"""The least that each part must be allowed in AWS: IAM policies from templates, filled in for one environment."""

import json
import re
from collections.abc import Mapping

from salambot_cli.catalog.vault import secret_ids
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.outside.assets import asset

POLICIES: Mapping[str, str] = {
    "read": "whoever runs `salambot up`: reads the secrets",
    "rotate": "whoever runs `salambot secrets push`, `rotate` and `status`",
    "seed": "whoever runs `salambot seed`: writes the tenant's documents",
    "orchestrateur": "the seed job: reads the tenant's documents; no other service calls AWS",
}
ACCOUNT = "111122223333"
"""AWS's own example of an account, where `--account` names none."""


def account_of(given: str | None) -> str:
    """Return the account that somebody named, or AWS's example.

    Raises:
        ConfigurationError: this is no number of an account.
    """
    if given is not None and re.fullmatch(r"[0-9]{12}", given) is None:
        raise ConfigurationError(
            "--account is no AWS account", f"it has twelve digits, not {given}", "aws sts get-caller-identity"
        )
    return given or ACCOUNT


def policy(environment: Environment, name: str, *, account: str = ACCOUNT, key: str | None = None) -> dict[str, object]:
    """Return one policy as a document; `key` is the ARN of the KMS key that encrypts the secrets."""
    from jinja2 import Environment as Templates
    from jinja2 import FileSystemLoader, StrictUndefined

    templates = Templates(
        loader=FileSystemLoader(asset("templates/iam")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - not HTML: `tojson` quotes
    )
    region = environment.aws.region or "eu-west-1"
    reads = name in {"read", "rotate"}
    ids = secret_ids(environment) if reads else ()
    text = templates.get_template(f"{name}.json.j2").render(
        region=region,
        secrets=[_arn(secret_id, region, account) for secret_id in ids],
        several=len(ids) > 1,
        key=key or f"arn:aws:kms:{region}:{account}:key/00000000-0000-0000-0000-000000000000",
        bucket=environment.value("S3_BUCKET") or "salambot-kb",
        tenant=environment.tenant,
    )
    document: dict[str, object] = json.loads(text)
    return document


def _arn(secret_id: str, region: str, account: str) -> str:
    return (
        secret_id
        if secret_id.startswith("arn:")
        else f"arn:aws:secretsmanager:{region}:{account}:secret:{secret_id}-??????"
    )
