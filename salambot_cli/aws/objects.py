"""Read-only probes of buckets, keys and secrets whose errors tell causes apart."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar, cast

from salambot_cli.aws.clients import Aws, AwsError, AwsKind, translate_errors

Call = Callable[[], object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Visible properties of a bucket; an access error replaces a value that could not be read."""

    region: str | None
    head: AwsError | None
    read: AwsError | None
    write: AwsError | None
    delete: AwsError | None = None


def inspect_bucket(aws: Aws, bucket: str, prefix: str, kms_key: str | None = None) -> Bucket:
    """Head the bucket, read one object, then put, get and delete one of the doctor's own, encrypted as `seed` does."""
    head, region = _head(aws, bucket)
    if head is not None and head.kind in {AwsKind.ABSENT, AwsKind.REGION}:
        return Bucket(region, head, None, None)
    key = _first_key(aws, bucket, prefix)
    read = _refusal(lambda: aws.s3.get_object(Bucket=bucket, Key=key or f"{prefix}{_PROBE}", Range="bytes=0-0"))
    if read is not None and (read.is_absent or read.code in {"InvalidRange", "416"}):
        read = None
    probe = f"{prefix}{_PROBE}"
    write = _refusal(lambda: _put(aws, bucket, probe, kms_key))
    if write is not None:
        return Bucket(region, head, read, write)
    read = read or _refusal(lambda: aws.s3.get_object(Bucket=bucket, Key=probe))
    return Bucket(region, head, read, None, _refusal(lambda: aws.s3.delete_object(Bucket=bucket, Key=probe)))


_PROBE = ".salambot-doctor"


def _put(aws: Aws, bucket: str, key: str, kms_key: str | None) -> object:
    if kms_key is None:
        return aws.s3.put_object(Bucket=bucket, Key=key, Body=b"", ChecksumAlgorithm="SHA256")
    return aws.s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=b"",
        ChecksumAlgorithm="SHA256",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=kms_key,
    )


def _head(aws: Aws, bucket: str) -> tuple[AwsError | None, str | None]:
    try:
        with translate_errors():
            answer = aws.s3.head_bucket(Bucket=bucket)
    except AwsError as failure:
        return failure, failure.headers.get("x-amz-bucket-region")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    region = answer.get("BucketRegion") or headers.get("x-amz-bucket-region")
    return None, region or _location(aws, bucket)


def _location(aws: Aws, bucket: str) -> str | None:
    try:
        with translate_errors():
            answer = aws.s3.get_bucket_location(Bucket=bucket)
    except AwsError:
        return None
    # The stubs say it is always there; S3 says nothing for us-east-1.
    return cast("str | None", answer.get("LocationConstraint")) or "us-east-1"


def _first_key(aws: Aws, bucket: str, prefix: str) -> str | None:
    try:
        with translate_errors():
            answer = aws.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    except AwsError:
        return None
    return next((item["Key"] for item in answer.get("Contents", [])), None)


def _refusal(call: Call) -> AwsError | None:
    try:
        with translate_errors():
            call()
    except AwsError as failure:
        return failure
    return None


def bucket_policy(aws: Aws, bucket: str) -> Mapping[str, object] | None:
    """Return the bucket's policy document; None where it has none.

    Raises:
        AwsError: it may not be read.
    """
    text = _unless("NoSuchBucketPolicy", lambda: aws.s3.get_bucket_policy(Bucket=bucket)["Policy"])
    document = json.loads(text) if text is not None else None
    return document if isinstance(document, dict) else None


def _unless(code: str, call: Callable[[], T]) -> T | None:
    """Return the result of a call; None if it fails with this code."""
    try:
        with translate_errors():
            return call()
    except AwsError as failure:
        if failure.code == code:
            return None
        raise


def find_deny_statements(policy: Mapping[str, object] | None, action: str) -> str | None:
    """Return the Sid (or number) of the statement of a bucket policy that denies an S3 action, else None."""
    statements = policy.get("Statement", []) if policy else []
    for number, statement in enumerate(statements if isinstance(statements, list) else [statements], start=1):
        if isinstance(statement, dict) and statement.get("Effect") == "Deny" and _names(statement, action):
            return str(statement.get("Sid") or f"statement {number}")
    return None


def _names(statement: Mapping[str, object], action: str) -> bool:
    from fnmatch import fnmatchcase

    listed = statement.get("Action", [])
    patterns = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []
    return any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in patterns)


def is_public(aws: Aws, bucket: str) -> bool:
    """Return whether a bucket's policy or ACL lets everybody in, and no public access block stops it.

    Raises:
        AwsError: it may not be read.
    """
    if _blocked(aws, bucket):
        return False
    with translate_errors():
        grants = aws.s3.get_bucket_acl(Bucket=bucket).get("Grants", [])
    if any("AllUsers" in str(g.get("Grantee", {}).get("URI", "")) for g in grants):
        return True
    statements = (bucket_policy(aws, bucket) or {}).get("Statement", [])
    return any(
        isinstance(s, dict)
        and s.get("Effect") == "Allow"
        and s.get("Principal") in ("*", {"AWS": "*"})
        and not s.get("Condition")
        for s in (statements if isinstance(statements, list) else [statements])
    )


def _blocked(aws: Aws, bucket: str) -> bool:
    block = _unless(
        "NoSuchPublicAccessBlockConfiguration",
        lambda: aws.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
    )
    return block is not None and bool(block.get("RestrictPublicBuckets")) and bool(block.get("IgnorePublicAcls"))


def has_tiering(aws: Aws, bucket: str) -> bool:
    """Return whether objects move to Intelligent-Tiering by a lifecycle rule.

    Raises:
        AwsError: it may not be read.
    """
    rules = _unless(
        "NoSuchLifecycleConfiguration", lambda: aws.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    )
    moves = [t for rule in rules or [] if rule.get("Status") == "Enabled" for t in rule.get("Transitions", [])]
    return any(move.get("StorageClass") == "INTELLIGENT_TIERING" for move in moves)


def bucket_key(aws: Aws, bucket: str) -> tuple[str, str] | None:
    """Return the id and state of the KMS key that encrypts a bucket by default; None where it is S3's own.

    Raises:
        AwsError: it may not be read.
    """
    with translate_errors():
        answer = aws.s3.get_bucket_encryption(Bucket=bucket)
        rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
        ids = [r.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for r in rules]
        key = next((name for name in ids if name), None)
        if key is None:
            return None
        return key, str(aws.kms.describe_key(KeyId=key)["KeyMetadata"].get("KeyState", "unknown"))


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """One secret: its values by variable (in memory only) and the age of its current version."""

    id: str
    age_days: float | None
    rotates: bool


def read_secret(aws: Aws, secret_id: str) -> str:
    """Return the current value of a secret.

    Raises:
        AwsError: missing, scheduled for deletion, without a value, or denied.
    """
    with translate_errors():
        answer = aws.secretsmanager.get_secret_value(SecretId=secret_id)
    return answer.get("SecretString") or answer.get("SecretBinary", b"").decode("utf-8", "replace")


def secret_facts(aws: Aws, secret_id: str) -> SecretFacts:
    """Return the age of the version labelled AWSCURRENT. LastRotatedDate misses what was put by hand.

    Raises:
        AwsError: it may not be described.
    """
    with translate_errors():
        about = aws.secretsmanager.describe_secret(SecretId=secret_id)
        versions = aws.secretsmanager.list_secret_version_ids(SecretId=secret_id).get("Versions", [])
    dates = [v["CreatedDate"] for v in versions if "AWSCURRENT" in v.get("VersionStages", []) and "CreatedDate" in v]
    created = max(dates, default=about.get("LastChangedDate") or about.get("CreatedDate"))
    age = (datetime.now(UTC) - created).total_seconds() / 86400 if created else None
    return SecretFacts(secret_id, age, bool(about.get("RotationEnabled")))


def secret_ids(secret: str | Mapping[str, str] | None) -> Sequence[str]:
    """Return the ids of `[aws] secret`, each once."""
    if secret is None:
        return ()
    listed = [secret] if isinstance(secret, str) else [value.split("#", 1)[0] for value in secret.values()]
    return tuple(dict.fromkeys(listed))
