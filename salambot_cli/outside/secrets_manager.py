"""Secrets Manager: values in one call, kept in memory alone; refusals say which secret they are about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from salambot_cli.model.secret import Secret
from salambot_cli.outside.aws import Aws, AwsFailure, translated

_BATCH = 20
"""The limit of BatchGetSecretValue."""


class SecretRefusal(Exception):  # noqa: N818 - a refusal that becomes an error for people further up
    """What AWS answered about one secret."""

    def __init__(self, secret_id: str, failure: AwsFailure) -> None:
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

    It blocks, for some 20 s at most. Raises SecretRefusal for the first secret that is refused.
    """
    if len(ids) == 1:
        return {ids[0]: _read_one(aws, ids[0])}
    found: dict[str, Version] = {}
    for start in range(0, len(ids), _BATCH):
        found.update((version.secret_id, version) for version in _read_batch(aws, ids[start : start + _BATCH]))
    return found


def _read_one(aws: Aws, secret_id: str) -> Version:
    try:
        with translated():
            answer = aws.secretsmanager.get_secret_value(SecretId=secret_id)
    except AwsFailure as failure:
        raise SecretRefusal(secret_id, failure) from failure
    text = _text(answer.get("SecretString"), answer.get("SecretBinary"))
    return Version(secret_id, text, answer["ARN"], answer["VersionId"])


def _read_batch(aws: Aws, ids: Sequence[str]) -> Iterator[Version]:
    try:
        with translated():
            answer = aws.secretsmanager.batch_get_secret_value(SecretIdList=list(ids))
    except AwsFailure as failure:
        raise SecretRefusal(", ".join(ids), failure) from failure
    for error in answer.get("Errors", []):
        refused = AwsFailure(error.get("ErrorCode", "Unknown"), error.get("Message", ""))
        raise SecretRefusal(error.get("SecretId", ids[0]), refused)
    by_name = {entry.get(field, ""): entry for entry in answer["SecretValues"] for field in ("Name", "ARN")}
    for secret_id in ids:
        if secret_id not in by_name:
            raise SecretRefusal(secret_id, AwsFailure("ResourceNotFoundException", "it is not in the answer"))
        entry = by_name[secret_id]
        text = _text(entry.get("SecretString"), entry.get("SecretBinary"))
        yield Version(secret_id, text, entry.get("ARN", ""), entry.get("VersionId", ""))


def _text(string: str | None, binary: bytes | None) -> Secret:
    return Secret(string if string is not None else (binary or b"").decode("utf-8", "replace"))
