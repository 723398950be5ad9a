"""secret.*: can the secrets be read, do they hold what is needed, and how old are they?"""

import json
from functools import partial

from salambot_cli.catalog.validate import missing_variables
from salambot_cli.doctor.access import refused
from salambot_cli.doctor.cloud import ask
from salambot_cli.doctor.host import not_set
from salambot_cli.doctor.probe import Examination, Probe, fault, fine, unseen
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.model.variables import is_known
from salambot_cli.outside.aws import AwsFailure
from salambot_cli.outside.aws_objects import SecretFacts, read_secret, secret_facts, secret_ids

_MAX_AGE_DAYS = 90
READ, AGE = "secrets.read", "secrets.age"


async def check_secrets(exam: Examination) -> list[Finding] | Finding:
    """Read every secret once; keep the values in memory for the probes that need them."""
    ids = secret_ids(exam.environment.aws.secret)
    if not ids:
        title = "secrets = aws, and [aws] secret names none"
        evidence: Facts = {"kind": "not-named"}
        return fault(
            "secret.unavailable", READ, title, evidence, text='Write `secret = "NAME"` under [aws] in salambot.toml.'
        )
    findings: list[Finding] = []
    texts: dict[str, str] = {}
    for secret_id in ids:
        text = await ask(exam, f"secret:{secret_id}", partial(read_secret, secret_id=secret_id))
        if isinstance(text, AwsFailure):
            findings.append(await _unavailable(exam, secret_id, text))
        else:
            texts[secret_id] = text
    findings += _spread(exam, texts)
    return findings or _complete(exam)


async def _unavailable(exam: Examination, secret_id: str, failure: AwsFailure) -> Finding:
    region = exam.value("AWS_REGION")
    evidence: Facts = {"secret": secret_id, "region": region, "code": failure.code, "message": failure.message[:200]}
    flag = f"--secret-id {secret_id}"
    match failure.code:
        case "ResourceNotFoundException" if "staging label" in failure.message or "value" in failure.message.lower():
            kind, command = "no-value", f"aws secretsmanager put-secret-value {flag} --secret-string file://secret.json"
            title = f"The secret {secret_id} has no value"
        case "ResourceNotFoundException":
            kind, command = (
                "missing",
                f"aws secretsmanager create-secret --name {secret_id} --secret-string file://secret.json",
            )
            title = f"There is no secret {secret_id} in {region}"
        case "InvalidRequestException":
            kind, command = "deletion-scheduled", f"aws secretsmanager restore-secret {flag}"
            title = f"The secret {secret_id} is scheduled for deletion"
        case "DecryptionFailure" | "KMSAccessDeniedException":
            kind, command = "kms", f"aws secretsmanager describe-secret {flag} --query KmsKeyId"
            title = f"The KMS key of the secret {secret_id} cannot be used"
        case _ if failure.is_denied:
            kind, command = "denied", "aws sts get-caller-identity"
            title = f"This caller may not read the secret {secret_id}"
        case _:
            return await refused(exam, READ, "secrets_manager", failure)
    text = "Grant secretsmanager:GetSecretValue (and kms:Decrypt on its key)." if kind in {"denied", "kms"} else None
    return fault("secret.unavailable", READ, title, {**evidence, "kind": kind}, (command,), text=text)


def _spread(exam: Examination, texts: dict[str, str]) -> list[Finding]:
    """Turn the secrets into variables: one JSON object, or a table variable -> `id[#key]`."""
    named = exam.environment.aws.secret
    if named is None:
        return []
    if isinstance(named, str):
        return _object(exam, named, texts.get(named)) if named in texts else []
    findings: list[Finding] = []
    for variable, reference in named.items():
        secret_id, _, key = reference.partition("#")
        if secret_id not in texts:
            continue
        value = _member(texts[secret_id], key) if key else texts[secret_id]
        if value is None:
            findings.append(_no_key(secret_id, key, variable))
        else:
            exam.secrets[variable] = value
    return findings


def _object(exam: Examination, secret_id: str, text: str | None) -> list[Finding]:
    try:
        values = json.loads(text or "")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        title = f"The secret {secret_id} is no JSON object"
        evidence: Facts = {"secret": secret_id, "kind": "no-json"}
        fix = 'Store one object: {"POSTGRES_URL": "…", …}, or name each variable in [aws.secret].'
        return [fault("secret.unavailable", READ, title, evidence, text=fix)]
    exam.secrets.update({str(name): str(value) for name, value in values.items() if is_known(str(name)) and value})
    return []


def _member(text: str, key: str) -> str | None:
    try:
        values = json.loads(text)
    except ValueError:
        return None
    found = values.get(key) if isinstance(values, dict) else None
    return None if found is None else str(found)


def _no_key(secret_id: str, key: str, variable: str) -> Finding:
    evidence: Facts = {"secret": secret_id, "key": key, "variable": variable, "kind": "json-key"}
    title = f"The secret {secret_id} has no key {key}, which {variable} is read from"
    command = f"aws secretsmanager put-secret-value --secret-id {secret_id} --secret-string file://secret.json"
    return fault("secret.unavailable", READ, title, evidence, (command,))


def _complete(exam: Examination) -> Finding:
    missing = {
        m.name: f"{m.component} = {m.placement}"
        for m in missing_variables(exam.environment, secrets_pulled=True)
        if m.name not in exam.secrets
    }
    if missing:
        return not_set(READ, missing)
    return fine(READ, "The secrets can be read", variables=sorted(exam.secrets))


async def check_age(exam: Examination) -> list[Finding] | Finding:
    """Is each current version younger than 90 days?"""
    ids = secret_ids(exam.environment.aws.secret)
    found = [await ask(exam, f"age:{name}", partial(secret_facts, secret_id=name)) for name in ids]
    denied = next((f for f in found if isinstance(f, AwsFailure)), None)
    stale = [f for f in found if isinstance(f, SecretFacts) and (f.age_days or 0) > _MAX_AGE_DAYS]
    if stale:
        return [_stale(facts) for facts in stale]
    if denied is not None:
        return unseen(
            AGE, "The age of a secret could not be seen", why=denied.code, action="secretsmanager:DescribeSecret"
        )
    return fine(AGE, "Every secret is younger than 90 days")


def _stale(facts: SecretFacts) -> Finding:
    age = round(facts.age_days or 0)
    evidence: Facts = {"secret": facts.id, "age_days": age, "limit_days": _MAX_AGE_DAYS, "rotation": facts.rotates}
    command = f"aws secretsmanager rotate-secret --secret-id {facts.id}"
    return fault("secret.stale", AGE, f"The secret {facts.id} is {age} days old", evidence, (command,))


def _in_aws(environment: Environment) -> bool:
    return environment.placement("secrets") == "aws"


PROBES = (
    Probe(
        READ,
        "secrets",
        "Secrets Manager: reading",
        check_secrets,
        ("secret.unavailable", "local.env-missing"),
        ("aws.credentials",),
        _in_aws,
        parts=("secrets",),
        preflight=True,
    ),
    Probe(
        AGE, "secrets", "Secrets Manager: rotation", check_age, ("secret.stale",), (READ,), _in_aws, parts=("secrets",)
    ),
)
