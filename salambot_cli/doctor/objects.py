"""s3.*: a bucket that is missing or elsewhere, a caller, a policy or a key that refuses."""

from salambot_cli.aws.clients import AwsError, AwsKind
from salambot_cli.aws.objects import Bucket, bucket_key, bucket_policy, find_deny_statements, inspect_bucket
from salambot_cli.doctor.aws_access import refused
from salambot_cli.doctor.cloud import call_aws_once
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding

CHECK = "s3.access"


async def check_bucket(exam: ProbeContext) -> Finding:
    """Is the bucket there, here, and can the tenant's objects be read and written?"""
    name, prefix = exam.value("S3_BUCKET") or "", f"{exam.environment.tenant}/"
    bucket = await call_aws_once(
        exam, "bucket", lambda aws: inspect_bucket(aws, name, prefix, exam.environment.aws.kms_key)
    )
    if isinstance(bucket, AwsError):
        return await refused(exam, CHECK, "s3", bucket)
    elsewhere = _elsewhere(exam, name, bucket)
    if elsewhere is not None:
        return elsewhere
    failures = [(a, f) for a, f in _asked(bucket) if f is not None]
    if not failures:
        first = bucket.head if bucket.head is not None and not bucket.head.is_denied else None
        if first is not None:
            return await refused(exam, CHECK, "s3", first)
        return await _key_unusable(exam, name) or _good(name, bucket)
    match failures[0][1].kind:
        case AwsKind.KEY:
            return await _key_denied(exam, name, _evidence(exam, name, failures))
        case AwsKind.DENIED:
            return await _denied(exam, name, failures)
        case _:
            return await refused(exam, CHECK, "s3", failures[0][1])


def _asked(bucket: Bucket) -> tuple[tuple[str, AwsError | None], ...]:
    """Return each action that is needed, and how it was refused. Only `seed` deletes: the services get and put."""
    may_not_delete = bucket.delete is not None and bucket.delete.is_denied
    delete = None if may_not_delete else bucket.delete
    return (("s3:GetObject", bucket.read), ("s3:PutObject", bucket.write), ("s3:DeleteObject", delete))


def _good(name: str, bucket: Bucket) -> Finding:
    if bucket.delete is not None:
        title = (
            f"s3://{name} can be read and written; what `seed` removes would stay, as the doctor's empty object does"
        )
        return ok(CHECK, title, region=bucket.region, refused=["s3:DeleteObject"])
    return ok(CHECK, f"s3://{name} can be read, written and cleaned", region=bucket.region)


async def _key_unusable(exam: ProbeContext, name: str) -> Finding | None:
    """A key that is disabled, or pending deletion, refuses the next object, whatever was read before."""
    key = await call_aws_once(exam, "bucket-key", lambda aws: bucket_key(aws, name))
    if isinstance(key, AwsError) or key is None or key[1] not in {"Disabled", "PendingDeletion", "PendingImport"}:
        return None
    return await _key_denied(exam, name, {"bucket": name})


def _elsewhere(exam: ProbeContext, name: str, bucket: Bucket) -> Finding | None:
    here = exam.value("AWS_REGION")
    evidence: Facts = {"bucket": name, "bucket_region": bucket.region, "region": here, "variable": "AWS_REGION"}
    if bucket.head is not None and bucket.head.is_absent:
        title = f"There is no bucket {name}"
        about: Facts = {**evidence, "kind": "no-bucket", "variable": "S3_BUCKET"}
        return fault("s3.not-found", CHECK, title, about, ("aws s3 ls",))
    if bucket.region and here and bucket.region != here:
        title = f"The bucket {name} is in {bucket.region}, and AWS_REGION is {here}"
        text = (
            f'Write region = "{bucket.region}" under [aws] in salambot.toml (AWS_REGION), or name a bucket of {here}.'
        )
        command = f"aws s3api get-bucket-location --bucket {name}"
        return fault("s3.not-found", CHECK, title, {**evidence, "kind": "other-region"}, (command,), text=text)
    return None


Failures = list[tuple[str, AwsError]]
_OF_OTHERS = ("service control", "resource control", "boundar", "session", "endpoint")
"""Policies that stand above the caller's own: whoever keeps them has to change them."""


def _evidence(exam: ProbeContext, name: str, failures: Failures) -> Facts:
    failure = failures[0][1]
    return {
        "bucket": name,
        "refused": [action for action, _ in failures],
        "code": failure.code,
        "message": failure.message[:300],
        "caller": failure.denial.caller,
        "account": failure.denial.account,
        "policy_type": failure.denial.policy,
        "prefix": f"{exam.environment.tenant}/",
    }


async def _denied(exam: ProbeContext, name: str, failures: Failures) -> Finding:
    action, failure = failures[0]
    evidence, denial = _evidence(exam, name, failures), failure.denial
    if denial.policy and any(word in denial.policy for word in _OF_OTHERS):
        return _above(name, action, denial.policy, evidence)
    key = await call_aws_once(exam, "bucket-key", lambda aws: bucket_key(aws, name))
    if not isinstance(key, AwsError) and key is not None and key[1] != "Enabled":
        return await _key_denied(exam, name, evidence)
    policy = await call_aws_once(exam, "bucket-policy", lambda aws: bucket_policy(aws, name))
    statement = None if isinstance(policy, AwsError) else find_deny_statements(policy, action)
    by_resource = denial.explicit and "resource-based" in (denial.policy or "")
    if by_resource or (statement and denial.policy is None):
        return _by_policy(name, action, statement, evidence)
    if denial.policy == "resource-based policy" and denial.account:
        return _other_account(name, action, denial.account, evidence)
    if isinstance(policy, AwsError):
        evidence["not_seen"] = "the bucket policy may not be read: an explicit deny there would look the same"
    title = f"This caller may not {' and '.join(a for a, _ in failures)} on {name}"
    return fault("s3.iam-denied", CHECK, title, evidence, (_grant(name, denial.caller),))


def _above(name: str, action: str, policy: str, evidence: Facts) -> Finding:
    scp = " (SCP)" if "service control" in policy else ""
    title = f"A {policy}{scp} denies {action} on {name}"
    text = (
        f"Only whoever keeps the {policy}{scp} can allow it (the administrator of the organisation, or of this role): "
        "neither the caller's own policy nor the bucket's changes anything."
    )
    return fault(
        "s3.iam-denied", CHECK, title, {**evidence, "kind": "above"}, ("aws sts get-caller-identity",), text=text
    )


def _by_policy(name: str, action: str, statement: str | None, evidence: Facts) -> Finding:
    title = f"The policy of bucket {name} denies {action}" + (f" (statement {statement})" if statement else "")
    commands = (
        f"aws s3api get-bucket-policy --bucket {name} --query Policy --output text > policy.json",
        f"aws s3api put-bucket-policy --bucket {name} --policy file://policy.json",
    )
    text = (
        f"Take {statement or 'the Deny'} out of policy.json (or except this caller), then put it back. Where it asks "
        "for "
        "a VPC endpoint or an address, the bucket is meant to be reached from there only."
    )
    return fault("s3.policy-deny", CHECK, title, {**evidence, "statement": statement}, commands, text=text)


def _other_account(name: str, action: str, account: str, evidence: Facts) -> Finding:
    title = (
        f"This caller belongs to account {account}, and bucket {name} to another, whose policy does not allow {action}"
    )
    text = (
        f"Use the profile of the bucket's account ([aws] profile), or let the bucket's policy allow {action} to this "
        "caller: "
        f"a policy in account {account} alone is not enough."
    )
    commands = ("aws sts get-caller-identity", "aws configure list-profiles")
    return fault("s3.iam-denied", CHECK, title, {**evidence, "kind": "other-account"}, commands, text=text)


def _grant(bucket: str, caller: str | None) -> str:
    statement = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject","s3:DeleteObject"],'
        f'"Resource":"arn:aws:s3:::{bucket}/*"}},{{"Effect":"Allow","Action":"s3:ListBucket",'
        f'"Resource":"arn:aws:s3:::{bucket}"}}]}}'
    )
    _, _, name = (caller or "").partition(":user/")
    role = (caller or "").partition(":assumed-role/")[2].partition("/")[0]
    verb = f"put-role-policy --role-name {role}" if role else f"put-user-policy --user-name {name or 'USER'}"
    return f"aws iam {verb} --policy-name salambot-kb --policy-document '{statement}'"


async def _key_denied(exam: ProbeContext, name: str, evidence: Facts) -> Finding:
    key = await call_aws_once(exam, "bucket-key", lambda aws: bucket_key(aws, name))
    key_id, state = ("KEY-ID", "not seen") if isinstance(key, AwsError) or key is None else key
    enable, grant = f"aws kms enable-key --key-id {key_id}", f"aws kms create-grant --key-id {key_id}"
    allow = f"{grant} --grantee-principal {evidence.get('caller') or 'CALLER-ARN'} --operations Decrypt GenerateDataKey"
    commands: tuple[str, ...] = (allow,)
    text: str | None = "Allow kms:Decrypt and kms:GenerateDataKey on the key to this caller."
    if state == "PendingDeletion" or "pending deletion" in str(evidence.get("message", "")).lower():
        state, commands = "PendingDeletion", (f"aws kms cancel-key-deletion --key-id {key_id}", enable)
        text = "Cancel the deletion of the key, then enable it: once it is gone, nothing decrypts the objects."
    elif state == "Disabled":
        commands, text = (enable,), "Enable the key."
    elif state == "not seen":
        commands, text = (enable, allow), None
    title = f"The KMS key of bucket {name} cannot be used ({state})"
    about: Facts = {**evidence, "key": key_id, "key_state": state, "kind": "key"}
    return fault("s3.kms-denied", CHECK, title, about, commands, text=text)


def _in_s3(environment: Environment) -> bool:
    return environment.placement("objects") == "s3"


PROBES = (
    Probe(
        CHECK,
        "objects",
        "S3: reading and writing the tenant's objects",
        check_bucket,
        ("s3.not-found", "s3.iam-denied", "s3.policy-deny", "s3.kms-denied", "aws.unavailable"),
        ("aws.credentials",),
        _in_s3,
        seconds=20,
        parts=("objects",),
        reads=("S3_BUCKET", "AWS_REGION"),
    ),
)
