"""secret.*: can the secrets be read, do they hold what is needed, and how old are they?"""

import json
from collections.abc import Mapping
from functools import partial

from salambot_cli.aws.clients import AwsError, AwsKind
from salambot_cli.aws.objects import SecretFacts, read_secret, secret_facts, secret_ids
from salambot_cli.components.variables import PLAIN_VARIABLES, SECRET_VARIABLES, is_known
from salambot_cli.config.validate import missing_variables
from salambot_cli.doctor.aws_access import refused
from salambot_cli.doctor.cloud import call_aws_once
from salambot_cli.doctor.origins import SECRETS, is_from_vault, required_names
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok, unknown
from salambot_cli.doctor.values import odd, oddity_of
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding

_MAX_AGE_DAYS = 90
READ, AGE = SECRETS, "secrets.age"


async def check_secrets(exam: ProbeContext) -> list[Finding] | Finding:
    """Read every secret once; keep the values in memory for the probes that need them."""
    ids = secret_ids(exam.environment.aws.secret)
    if not ids:
        title = "secrets = aws, and [aws] secret names none"
        fix = 'Write `secret = "NAME"` under [aws] in salambot.toml.'
        return fault("secret.unavailable", READ, title, {"kind": "not-named"}, text=fix)
    findings: list[Finding] = []
    texts: dict[str, str] = {}
    for secret_id in ids:
        text = await call_aws_once(exam, f"secret:{secret_id}", partial(read_secret, secret_id=secret_id))
        if isinstance(text, AwsError):
            findings.append(await _unavailable(exam, secret_id, text))
            _condemn_members(exam, secret_id)
        else:
            texts[secret_id] = text
    findings += _spread(exam, texts)
    if len(texts) == len(ids) and not any(f.evidence.get("kind") == "no-json" for f in findings):
        findings += _missing(exam, {str(f.evidence.get("variable")) for f in findings})
    return findings or ok(READ, "The secrets can be read", variables=sorted(exam.secrets))


def _condemn_members(exam: ProbeContext, secret_id: str) -> None:
    """With several secrets, one that cannot be read explains its own variables alone."""
    named = exam.environment.aws.secret
    for variable, reference in named.items() if isinstance(named, Mapping) else ():
        if reference.partition("#")[0] == secret_id:
            exam.condemn(variable, "secret.unavailable")


async def _unavailable(exam: ProbeContext, secret_id: str, failure: AwsError) -> Finding:
    region = exam.value("AWS_REGION")
    evidence: Facts = {"secret": secret_id, "region": region, "code": failure.code, "message": failure.message[:200]}
    flag = f"--secret-id {secret_id} --region {region}"
    match failure.kind:
        case AwsKind.ABSENT:
            return _absent(secret_id, region or "", failure, evidence)
        case AwsKind.STATE | AwsKind.INVALID if "delet" in failure.message.lower():
            title = f"The secret {secret_id} is scheduled for deletion"
            command = f"aws secretsmanager restore-secret {flag}"
            return fault("secret.unavailable", READ, title, {**evidence, "kind": "deletion-scheduled"}, (command,))
        case AwsKind.KEY:
            title = (
                f"The KMS key of the secret {secret_id} does not decrypt it: {failure.message[:120] or failure.code}"
            )
            text = (
                "Allow kms:Decrypt on the secret's key to this caller (in its own policy and in the key's), or "
                "enable the key. "
                "The command names the key."
            )
            commands = (f"aws secretsmanager describe-secret {flag} --query KmsKeyId",)
            return fault("secret.unavailable", READ, title, {**evidence, "kind": "kms"}, commands, text=text)
        case AwsKind.DENIED:
            return _denied(secret_id, failure, evidence, f"aws secretsmanager get-resource-policy {flag}")
        case AwsKind.SERVER | AwsKind.THROTTLED | AwsKind.STATE | AwsKind.INVALID | AwsKind.UNKNOWN:
            title = f"Secrets Manager does not give the secret {secret_id}: {failure.code}"
            text = (
                "Wait and try again: AWS fails or limits by itself; values are never kept on disk, so nothing "
                "starts without it."
            )
            about: Facts = {**evidence, "kind": str(failure.kind)}
            return fault(
                "secret.unavailable", READ, title, about, (f"aws secretsmanager describe-secret {flag}",), text=text
            )
        case _:
            return await refused(exam, READ, "secrets_manager", failure)


def _absent(secret_id: str, region: str, failure: AwsError, evidence: Facts) -> Finding:
    low = failure.message.lower()
    if "staging label" in low or "value" in low:
        title, kind = f"The secret {secret_id} has no value", "no-value"
        command = f"aws secretsmanager put-secret-value --secret-id {secret_id} --secret-string file://secret.json"
        return fault("secret.unavailable", READ, title, {**evidence, "kind": kind}, (command,))
    title = f"There is no secret {secret_id} in {region}"
    text = f"Correct [aws] secret, or the region ({region}), in salambot.toml; or make the secret."
    commands = (f"aws secretsmanager list-secrets --region {region}", "salambot secrets push --create")
    return fault("secret.unavailable", READ, title, {**evidence, "kind": "missing"}, commands, text=text)


def _denied(secret_id: str, failure: AwsError, evidence: Facts, command: str) -> Finding:
    denial = failure.denial
    action = denial.action or "secretsmanager:GetSecretValue"
    title = f"This caller may not {action} on the secret {secret_id}"
    text = (
        f"Grant {action} on this secret to {denial.caller or 'this caller'}: `salambot secrets policy read` "
        "prints the policy."
    )
    commands: tuple[str, ...] = ("salambot secrets policy read",)
    if denial.policy and "identity" not in denial.policy:
        title, commands = f"{title}: a {denial.policy} decides", (command,)
        text = f"The {denial.policy} decides, not this caller's own policy: whoever keeps it has to change it."
    about: Facts = {**evidence, "kind": "denied", "action": action, "policy": denial.policy, "caller": denial.caller}
    return fault("secret.unavailable", READ, title, about, commands, text=text)


def _spread(exam: ProbeContext, texts: dict[str, str]) -> list[Finding]:
    """Turn the secrets into variables: one JSON object, or a table variable -> `id[#key]`."""
    named = exam.environment.aws.secret
    if isinstance(named, str):
        return _object(exam, named, texts[named]) if named in texts else []
    findings: list[Finding] = []
    for variable, reference in (named or {}).items():
        secret_id, _, key = reference.partition("#")
        if secret_id not in texts:
            continue
        value = _member(texts[secret_id], key) if key else texts[secret_id]
        found = (
            _no_key(secret_id, key, variable, texts[secret_id])
            if value is None
            else _take(exam, secret_id, variable, value)
        )
        if found is not None:
            findings.append(found)
            exam.condemn(variable, found.id)
    return findings


def _take(exam: ProbeContext, secret_id: str, variable: str, value: str) -> Finding | None:
    """Keep a value; say what is wrong with one that cannot work."""
    push = (f"salambot secrets push {variable}",)
    if not value:
        title = f"The secret {secret_id} holds an empty value for {variable}"
        return fault(
            "secret.unavailable", READ, title, {"secret": secret_id, "variable": variable, "kind": "empty"}, push
        )
    exam.secrets[variable] = value
    oddity = oddity_of(variable, value)
    if oddity is None or not is_from_vault(exam.environment, variable):
        return None
    return odd(READ, "config.invalid", variable, f"the secret {secret_id}", oddity, push)


def _object(exam: ProbeContext, secret_id: str, text: str) -> list[Finding]:
    values = _parsed(text)
    if values is None:
        title = f"The secret {secret_id} is no JSON object" + (" (it is binary)" if "\ufffd" in text else "")
        evidence: Facts = {"secret": secret_id, "kind": "no-json"}
        fix = 'Store one object: {"POSTGRES_URL": "…", …}, or name each variable in [aws.secret].'
        return [fault("secret.unavailable", READ, title, evidence, ("salambot secrets push",), text=fix)]
    findings: list[Finding] = []
    needed = required_names(exam.environment)
    for name, value in values.items():
        if is_known(name) and not name.startswith("AWS_") and (value or name in needed):
            found = _take(exam, secret_id, name, value)
            if found is not None:
                findings.append(found)
                exam.condemn(name, found.id)
    return findings + _misnamed(exam, secret_id, text, values)


def _misnamed(exam: ProbeContext, secret_id: str, text: str, values: Mapping[str, str]) -> list[Finding]:
    """A variable is not there, and a key stands there that nearly has its name, or one level down."""
    nearly = {_bare(key): key for key in values if not is_known(key)}
    findings: list[Finding] = []
    for name in sorted({*SECRET_VARIABLES, *PLAIN_VARIABLES} - values.keys()):
        place = _nested(text, name)
        if _bare(name) in nearly:
            title = f"The secret {secret_id} has no key {name}; it has {nearly[_bare(name)]!r}, which is nearly that"
        elif place is not None:
            title = (
                f"The secret {secret_id} holds {name} one level down, under {place!r}: its keys have to be the "
                "variables"
            )
        else:
            continue
        evidence: Facts = {
            "secret": secret_id,
            "variable": name,
            "kind": "key-name",
            "keys": sorted(map(repr, values))[:20],
        }
        findings.append(fault("secret.unavailable", READ, title, evidence, (f"salambot secrets push {name}",)))
        exam.condemn(name, "secret.unavailable")
    return findings


def _bare(name: str) -> str:
    return "".join(c for c in name.upper() if c.isalnum())


def _nested(text: str, name: str) -> str | None:
    values = json.loads(text)
    return next((str(key) for key, inner in values.items() if isinstance(inner, dict) and name in inner), None)


def _parsed(text: str) -> dict[str, str] | None:
    """Read the members of a JSON object as text, as `up` does; None where it is none."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return {str(k): _text(v) for k, v in values.items()} if isinstance(values, dict) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _member(text: str, key: str) -> str | None:
    return (_parsed(text) or {}).get(key)


def _no_key(secret_id: str, key: str, variable: str, text: str) -> Finding:
    keys = sorted(map(repr, _parsed(text) or {}))
    evidence: Facts = {"secret": secret_id, "key": key, "variable": variable, "kind": "json-key", "keys": keys[:20]}
    title = f"The secret {secret_id} has no key {key}, which {variable} is read from"
    fix = f"Its keys are {', '.join(keys) or 'none'}: correct [aws.secret] in salambot.toml, or store the value."
    return fault("secret.unavailable", READ, title, evidence, (f"salambot secrets push {variable}",), text=fix)


def _missing(exam: ProbeContext, named: set[str]) -> list[Finding]:
    missing = {
        m.name: f"{m.component} = {m.placement}"
        for m in missing_variables(exam.environment, secrets_pulled=True)
        if m.name not in exam.secrets and m.name not in named
    }
    if not missing:
        return []
    names = sorted(missing)
    for name in (*names, *(SECRET_VARIABLES - exam.secrets.keys())):
        # A secret that is not complete says nothing of the optional ones that it lacks either.
        exam.condemn(name, "local.env-missing")
    evidence: Facts = {"missing": names, "needed_by": [f"{name}: {missing[name]}" for name in names]}
    title = f"Not set, and not in Secrets Manager: {', '.join(names)}"
    text = 'Store them in the secret: with `secrets = "aws"`, no secret stands in `.env`.'
    push = tuple(f"salambot secrets push {name}" for name in names)
    return [fault("local.env-missing", READ, title, evidence, push, text=text)]


async def check_age(exam: ProbeContext) -> list[Finding] | Finding:
    """Is each current version younger than 90 days?"""
    ids = secret_ids(exam.environment.aws.secret)
    found = [await call_aws_once(exam, f"age:{name}", partial(secret_facts, secret_id=name)) for name in ids]
    denied = next((f for f in found if isinstance(f, AwsError)), None)
    stale = [f for f in found if isinstance(f, SecretFacts) and (f.age_days or 0) > _MAX_AGE_DAYS]
    if stale:
        return [_stale(facts) for facts in stale]
    if denied is not None:
        return unknown(
            AGE, "The age of a secret could not be seen", why=denied.code, action="secretsmanager:DescribeSecret"
        )
    return ok(AGE, "Every secret is younger than 90 days")


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
        ("secret.unavailable", "local.env-missing", "config.invalid"),
        ("aws.credentials",),
        _in_aws,
        seconds=20,
        parts=("secrets",),
        preflight=True,
        reads=("AWS_REGION",),
    ),
    Probe(
        AGE, "secrets", "Secrets Manager: rotation", check_age, ("secret.stale",), (READ,), _in_aws, parts=("secrets",)
    ),
)
