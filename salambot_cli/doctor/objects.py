"""s3.*: a bucket that is missing or elsewhere, a caller, a policy or a key that refuses."""

from salambot_cli.doctor.access import refused
from salambot_cli.doctor.cloud import ask
from salambot_cli.doctor.probe import Examination, Probe, fault, fine
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.outside.aws import AwsFailure
from salambot_cli.outside.aws_objects import Bucket, bucket_key, bucket_policy, denies, look_at_bucket

CHECK = "s3.access"


async def check_bucket(exam: Examination) -> Finding:
    """Is the bucket there, here, and can the tenant's objects be read and written?"""
    name, prefix = exam.value("S3_BUCKET") or "", f"{exam.environment.tenant}/"
    bucket = await ask(exam, "bucket", lambda aws: look_at_bucket(aws, name, prefix))
    if isinstance(bucket, AwsFailure):
        return await refused(exam, CHECK, "s3", bucket)
    first = bucket.head or bucket.read or bucket.write
    if (
        first is not None
        and not first.is_denied
        and first.code not in {"404", "NoSuchBucket", "301", "PermanentRedirect"}
    ):
        return await refused(exam, CHECK, "s3", first)
    return _elsewhere(exam, name, bucket) or await _denied(exam, name, bucket) or _good(name, bucket)


def _good(name: str, bucket: Bucket) -> Finding:
    return fine(CHECK, f"s3://{name} can be read and written", region=bucket.region)


def _elsewhere(exam: Examination, name: str, bucket: Bucket) -> Finding | None:
    here = exam.value("AWS_REGION")
    evidence: Facts = {"bucket": name, "bucket_region": bucket.region, "region": here}
    if bucket.head is not None and bucket.head.code in {"404", "NoSuchBucket"}:
        title = f"There is no bucket {name}"
        return fault("s3.not-found", CHECK, title, {**evidence, "kind": "no-bucket"}, ("aws s3 ls",))
    if bucket.region and here and bucket.region != here:
        title = f"The bucket {name} is in {bucket.region}, and AWS_REGION is {here}"
        command = f"export AWS_REGION={bucket.region}"
        return fault("s3.not-found", CHECK, title, {**evidence, "kind": "other-region"}, (command,))
    return None


async def _denied(exam: Examination, name: str, bucket: Bucket) -> Finding | None:
    failures = [(a, f) for a, f in (("s3:GetObject", bucket.read), ("s3:PutObject", bucket.write)) if f is not None]
    if not failures:
        return None
    action, failure = failures[0]
    prefix = exam.environment.tenant
    evidence: Facts = {
        "bucket": name,
        "refused": [a for a, _ in failures],
        "code": failure.code,
        "message": failure.message[:300],
        "prefix": f"{prefix}/",
    }
    text = failure.message.lower()
    if "kms" in text:
        return await _key_denied(exam, name, evidence)
    key = await ask(exam, "bucket-key", lambda aws: bucket_key(aws, name))
    if not isinstance(key, AwsFailure) and key is not None and key[1] != "Enabled":
        return await _key_denied(exam, name, evidence)
    policy = await ask(exam, "bucket-policy", lambda aws: bucket_policy(aws, name))
    statement = None if isinstance(policy, AwsFailure) else denies(policy, action)
    if statement or ("explicit deny" in text and "resource-based" in text):
        title = f"The policy of bucket {name} denies {action}"
        commands = (
            f"aws s3api get-bucket-policy --bucket {name} --query Policy --output text > policy.json",
            f"aws s3api put-bucket-policy --bucket {name} --policy file://policy.json",
        )
        more: Facts = {**evidence, "statement": statement}
        fix = f"Take {statement or 'the Deny'} out of policy.json (or except this caller), then put it back."
        return fault("s3.policy-deny", CHECK, title, more, commands, text=fix)
    unseen_policy = isinstance(policy, AwsFailure)
    title = f"This caller may not {' and '.join(a for a, _ in failures)} on {name}"
    if unseen_policy:
        evidence["not_seen"] = "the bucket policy may not be read: an explicit deny there would look the same"
    return fault("s3.iam-denied", CHECK, title, evidence, (_grant(name),))


def _grant(bucket: str) -> str:
    statement = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],'
        f'"Resource":"arn:aws:s3:::{bucket}/*"}},{{"Effect":"Allow","Action":"s3:ListBucket",'
        f'"Resource":"arn:aws:s3:::{bucket}"}}]}}'
    )
    return f"aws iam put-user-policy --user-name USER --policy-name salambot-kb --policy-document '{statement}'"


async def _key_denied(exam: Examination, name: str, evidence: Facts) -> Finding:
    key = await ask(exam, "bucket-key", lambda aws: bucket_key(aws, name))
    key_id, state = ("KEY-ID", "not seen") if isinstance(key, AwsFailure) or key is None else key
    commands = (f"aws kms enable-key --key-id {key_id}",) if state in {"Disabled", "not seen"} else ()
    grant = (
        f"aws kms create-grant --key-id {key_id} --grantee-principal CALLER-ARN --operations Decrypt GenerateDataKey"
    )
    title = f"The KMS key of bucket {name} cannot be used ({state})"
    return fault("s3.kms-denied", CHECK, title, {**evidence, "key": key_id, "key_state": state}, (*commands, grant))


def _in_s3(environment: Environment) -> bool:
    return environment.placement("objects") == "s3"


PROBES = (
    Probe(
        CHECK,
        "objects",
        "S3: reading and writing the tenant's objects",
        check_bucket,
        ("s3.not-found", "s3.iam-denied", "s3.policy-deny", "s3.kms-denied"),
        ("aws.credentials",),
        _in_s3,
        seconds=20,
        parts=("objects",),
        reads=("S3_BUCKET", "AWS_REGION"),
    ),
)
