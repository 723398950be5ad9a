"""The least that each part must be allowed in AWS: IAM policies from templates, filled in for one environment."""

import json
import re
from collections.abc import Mapping

from salambot_cli.config.secret_references import secret_ids
from salambot_cli.host.assets import asset
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError

POLICIES: Mapping[str, str] = {
    "read": "whoever runs `salambot up`: reads the secrets",
    "rotate": "whoever runs `salambot secrets push`, `rotate` and `status`",
    "seed": "whoever runs `salambot seed`: writes the tenant's documents",
    "orchestrateur": "the seed job: reads the tenant's documents; no other service calls AWS",
}
ACCOUNT = "111122223333"
"""AWS's own example of an account, where `--account` names none."""


def account_of(given: str | None) -> str:
    """Return the given account, or AWS's example account. Raises ConfigurationError: it is no account number."""
    if given is not None and re.fullmatch(r"[0-9]{12}", given) is None:
        raise ConfigurationError(
            "no AWS account has the id of --account",
            f"it has twelve digits, not {given}",
            "aws sts get-caller-identity",
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
    documents_key, documents_alias = _documents_key(environment.aws.kms_key, region, account)
    text = templates.get_template(f"{name}.json.j2").render(
        region=region,
        secrets=[_arn(secret_id, region, account) for secret_id in ids],
        several=len(ids) > 1,
        key=key or f"arn:aws:kms:{region}:{account}:key/00000000-0000-0000-0000-000000000000",
        bucket=environment.value("S3_BUCKET") or "salambot-kb",
        documents_key=documents_key,
        documents_alias=documents_alias,
        tenant=environment.tenant,
    )
    document: dict[str, object] = json.loads(text)
    return document


def _documents_key(key: str | None, region: str, account: str) -> tuple[str | None, str | None]:
    """Return the ARN that a policy names a key by, and the alias: which key has that only a condition tells."""
    here = f"arn:aws:kms:{region}:{account}:"
    if key is None:
        return None, None
    where, alias, name = key.rpartition("alias/")
    if alias:
        return f"{where or here}key/*", f"{alias}{name}"
    return (key if key.startswith("arn:") else f"{here}key/{key}"), None


def _arn(secret_id: str, region: str, account: str) -> str:
    return (
        secret_id
        if secret_id.startswith("arn:")
        else f"arn:aws:secretsmanager:{region}:{account}:secret:{secret_id}-??????"
    )
