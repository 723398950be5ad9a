"""Errors of Secrets Manager in words: the secret, the reason, and the command or policy statement that helps."""

import json
import re
from collections.abc import Callable

from salambot_cli.aws.clients import UNREACHABLE, AwsError, AwsKind
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import PrerequisiteError, SalamBotError

_ACCOUNT = re.compile(r"arn:aws[\w-]*:\w+:[\w-]*:(\d{12}):")
_ACTION = re.compile(r"\bperform: (secretsmanager:\w+)")
_READ, _READ_SEVERAL = "secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"
_KMS_WORDS = ("kms", "decrypt")
_KMS_CODES = frozenset(
    {"DecryptionFailure", "KMSInvalidStateException", "DisabledException", "KMSAccessDeniedException"}
)
_NEVER_KEPT = "the values last read are never kept on disk, so there is nothing to fall back on"

Teller = Callable[[Environment, str, AwsError], SalamBotError]


def explain(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    """Return an error for people; it never contains a secret's value."""
    for applies, tell in _TELLERS:
        if applies(failure):
            return tell(environment, secret_id, failure)
    return PrerequisiteError(f"the secret {secret_id} cannot be read", _words(failure), "salambot doctor secrets")


def _statement(environment: Environment, secret_id: str, action: str, failure: AwsError) -> str:
    """Return the policy statement, as JSON, that allows an action with one secret."""
    account = _ACCOUNT.search(failure.message)
    where = f"{environment.aws.region}:{account[1] if account else '*'}"
    by_name = f"arn:aws:secretsmanager:{where}:secret:{secret_id}-??????"  # AWS ends every ARN with six characters
    resource = secret_id if secret_id.startswith("arn:") else by_name
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})


def _no_credentials(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    del environment
    fix = "aws configure sso; aws sso login"
    return PrerequisiteError(f"no AWS credentials to read the secret {secret_id} with", failure.message, fix)


def _bad_credentials(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    profile = f" --profile {environment.aws.profile}" if environment.aws.profile else ""
    expired = "expired" in f"{failure.code} {failure.message}".lower()
    what = "the AWS session has expired" if expired else "AWS does not take these credentials"
    fix = f"aws sso login{profile}" if expired else f"aws sts get-caller-identity{profile}"
    return PrerequisiteError(f"{what}: the secret {secret_id} is not read", _words(failure), fix)


def _skewed(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    del environment
    what = f"AWS refuses the time of this machine: the secret {secret_id} is not read"
    return PrerequisiteError(what, _words(failure), "sudo timedatectl set-ntp true")


def _denied(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    named = _ACTION.search(failure.message)
    action = named[1] if named else _READ
    what = f"these credentials may not read the secret {secret_id}"
    added = ""
    if action == _READ_SEVERAL:
        action, added = _READ, "\n" + json.dumps({"Effect": "Allow", "Action": _READ_SEVERAL, "Resource": "*"})
    elif action != _READ:
        what = f"these credentials may not use {action} with the secret {secret_id}"
        added = "\nall that status, push and rotate need: salambot secrets policy rotate"
    fix = "\n".join(_statement(environment, one, action, failure) for one in secret_id.split(", ")) + added
    return PrerequisiteError(what, _words(failure), f"add to their policy:\n{fix}")


def _key(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    where = f"--region {environment.aws.region}"
    allow = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "KEY-ARN"}
    return PrerequisiteError(
        f"the KMS key of the secret {secret_id} does not decrypt it",
        _words(failure),
        f"aws secretsmanager describe-secret --secret-id {secret_id} {where} --query KmsKeyId\n"
        f"aws kms enable-key --key-id KEY {where}, where it is disabled\n"
        f"or, where it is enabled, add to the policy of these credentials: {json.dumps(allow)}",
    )


def _missing(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    region = environment.aws.region
    return PrerequisiteError(
        f"there is no secret {secret_id} in {region}",
        f"{_words(failure)}; its name or the region may be another one",
        f"aws secretsmanager list-secrets --region {region}; then [aws] secret or region in salambot.toml, "
        "or make it: salambot secrets push --create NAME",
    )


def _there_already(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    what = f"there is a secret {secret_id} in {environment.aws.region} already"
    return PrerequisiteError(
        what, _words(failure), "salambot secrets push NAME, without --create: it gets a new version"
    )


def _deleted(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    fix = f"aws secretsmanager restore-secret --secret-id {secret_id} --region {environment.aws.region}"
    return PrerequisiteError(f"the secret {secret_id} is scheduled for deletion", _words(failure), fix)


def _throttled(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    del environment
    what = f"Secrets Manager is throttling: the secret {secret_id} is not read, after 3 attempts"
    return PrerequisiteError(what, f"{_words(failure)}; {_NEVER_KEPT}", "run it again in a minute")


def _unreachable(environment: Environment, secret_id: str, failure: AwsError) -> SalamBotError:
    what = f"Secrets Manager in {environment.aws.region} cannot be reached: the secret {secret_id} is not read"
    return PrerequisiteError(what, f"{failure.message}\n{_NEVER_KEPT}", "salambot doctor secrets")


def _words(failure: AwsError) -> str:
    return f"{failure.code}: {failure.message}" if failure.message else failure.code


def _about_key(failure: AwsError) -> bool:
    return (
        failure.kind is AwsKind.KEY
        or failure.code in _KMS_CODES
        or (
            (failure.is_denied or failure.code == "InvalidRequestException")
            and any(word in failure.message.lower() for word in _KMS_WORDS)
        )
    )


_TELLERS: tuple[tuple[Callable[[AwsError], bool], Teller], ...] = (
    (lambda failure: failure.kind in {AwsKind.NO_CREDENTIALS, AwsKind.LINK}, _no_credentials),
    (lambda failure: failure.code == UNREACHABLE, _unreachable),
    (lambda failure: failure.is_skewed, _skewed),
    (lambda failure: failure.is_bad_credentials, _bad_credentials),
    (_about_key, _key),
    (lambda failure: failure.is_denied, _denied),
    (lambda failure: failure.is_throttled, _throttled),
    (lambda failure: failure.code == "ResourceNotFoundException", _missing),
    (lambda failure: failure.code == "ResourceExistsException", _there_already),
    (lambda failure: failure.code == "InvalidRequestException" and "delet" in failure.message.lower(), _deleted),
)
