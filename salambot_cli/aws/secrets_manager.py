"""Secrets Manager: values in one call, kept in memory alone; refusals say which secret they are about."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from salambot_cli.aws.clients import Aws, AwsError, translate_errors
from salambot_cli.model.secret import Secret

_BATCH = 20
"""The limit of BatchGetSecretValue."""


class SecretError(Exception):
    """An error of AWS about one secret."""

    def __init__(self, secret_id: str, failure: AwsError) -> None:
        super().__init__(secret_id)
        self.secret_id = secret_id
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Version:
    """The current value of a secret, and which version it is."""

    secret_id: str
    text: Secret
    arn: str
    version_id: str


def read_secrets(aws: Aws, ids: Sequence[str]) -> dict[str, Version]:
    """Read the current versions: one secret by GetSecretValue, several by BatchGetSecretValue (20 a call).

    It blocks, for some 20 s at most. Raises SecretError for the first secret that is refused.
    """
    if len(ids) == 1:
        return {ids[0]: _read_one(aws, ids[0])}
    found: dict[str, Version] = {}
    for start in range(0, len(ids), _BATCH):
        found.update((version.secret_id, version) for version in _read_batch(aws, ids[start : start + _BATCH]))
    return found


def _read_one(aws: Aws, secret_id: str) -> Version:
    try:
        with translate_errors():
            answer = aws.secretsmanager.get_secret_value(SecretId=secret_id)
    except AwsError as failure:
        raise SecretError(secret_id, failure) from failure
    text = _text(answer.get("SecretString"), answer.get("SecretBinary"))
    return Version(secret_id, text, answer["ARN"], answer["VersionId"])


def _read_batch(aws: Aws, ids: Sequence[str]) -> Iterator[Version]:
    try:
        with translate_errors():
            answer = aws.secretsmanager.batch_get_secret_value(SecretIdList=list(ids))
    except AwsError as failure:
        raise SecretError(", ".join(ids), failure) from failure
    for error in answer.get("Errors", []):
        refused = AwsError(error.get("ErrorCode", "Unknown"), error.get("Message", ""))
        raise SecretError(error.get("SecretId", ids[0]), refused)
    by_name = {entry.get(field, ""): entry for entry in answer["SecretValues"] for field in ("Name", "ARN")}
    for secret_id in ids:
        if secret_id not in by_name:
            raise SecretError(secret_id, AwsError("ResourceNotFoundException", "it is not in the answer"))
        entry = by_name[secret_id]
        text = _text(entry.get("SecretString"), entry.get("SecretBinary"))
        yield Version(secret_id, text, entry.get("ARN", ""), entry.get("VersionId", ""))


def _text(string: str | None, binary: bytes | None) -> Secret:
    return Secret(string if string is not None else (binary or b"").decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Description:
    """Metadata of a secret. `readers` is None if the resource policy is not visible."""

    secret_id: str
    version_id: str
    stages: dict[str, tuple[str, ...]]
    """Version id -> its staging labels."""
    changed: datetime
    kms_key: str
    rotates: bool
    readers: tuple[str, ...] | None


def describe_secret(aws: Aws, secret_id: str) -> Description:
    """Describe a secret: versions, key, and whom its resource policy lets read it. Raises SecretError."""
    try:
        with translate_errors():
            about = aws.secretsmanager.describe_secret(SecretId=secret_id)
            listed = aws.secretsmanager.list_secret_version_ids(SecretId=secret_id).get("Versions", [])
    except AwsError as failure:
        raise SecretError(secret_id, failure) from failure
    current = next((v for v in listed if "AWSCURRENT" in v.get("VersionStages", [])), None)
    return Description(
        secret_id=secret_id,
        version_id=current.get("VersionId", "") if current else "",
        stages={v.get("VersionId", ""): tuple(v.get("VersionStages", [])) for v in listed},
        # LastRotatedDate misses what somebody put by hand.
        changed=(current or {}).get("CreatedDate") or about.get("LastChangedDate") or about["CreatedDate"],
        kms_key=about.get("KmsKeyId", "aws/secretsmanager"),
        rotates=bool(about.get("RotationEnabled")),
        readers=_readers(aws, secret_id),
    )


def put_secret(aws: Aws, secret_id: str, text: Secret, *, create: bool, kms_key: str | None = None) -> str:
    """Store a new current version, or a new secret; return its version id. Raises SecretError."""
    try:
        with translate_errors():
            if not create:
                return aws.secretsmanager.put_secret_value(SecretId=secret_id, SecretString=text.reveal())["VersionId"]
            key: dict[str, str] = {"KmsKeyId": kms_key} if kms_key else {}
            made = aws.secretsmanager.create_secret(Name=secret_id, SecretString=text.reveal(), **key)  # type: ignore[arg-type] # only KmsKeyId
            return made["VersionId"]
    except AwsError as failure:
        raise SecretError(secret_id, failure) from failure


def _readers(aws: Aws, secret_id: str) -> tuple[str, ...] | None:
    try:
        with translate_errors():
            policy = aws.secretsmanager.get_resource_policy(SecretId=secret_id).get("ResourcePolicy")
    except AwsError:
        return None
    allowed = [s for s in json.loads(policy or '{"Statement": []}')["Statement"] if s.get("Effect") == "Allow"]
    names = [name for statement in allowed for name in _principals(statement.get("Principal", {}))]
    return tuple(dict.fromkeys(names))


def _principals(principal: object) -> list[str]:
    if isinstance(principal, str):
        return [principal]
    if not isinstance(principal, dict):
        return []
    values = principal.values()
    return [str(name) for value in values for name in (value if isinstance(value, list) else [value])]
