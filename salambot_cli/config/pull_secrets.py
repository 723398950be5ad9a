"""The secrets of an environment, read from Secrets Manager into memory."""

from dataclasses import dataclass

from salambot_cli.aws.clients import aws_clients
from salambot_cli.aws.secrets_manager import SecretError, read_secrets
from salambot_cli.config.aws_errors import explain
from salambot_cli.config.secret_references import secret_ids, values, with_pulled
from salambot_cli.config.validate import validate
from salambot_cli.model.environment import Environment


@dataclass(frozen=True, slots=True)
class Pulled:
    """An environment with its secrets, and which version of each secret they are of."""

    environment: Environment
    versions: dict[str, str]
    """Secret id -> version id; empty if secrets are not in Secrets Manager."""


def pull(environment: Environment) -> Pulled:
    """Read the secrets in one call and validate what an environment has then. It blocks: call it in a thread.

    Raises:
        SalamBotError: which secret cannot be read, why, and what fixes it; or what is still missing.
    """
    if environment.placement("secrets") != "aws":
        return Pulled(environment, {})
    ids = secret_ids(environment)
    try:
        found = read_secrets(aws_clients(environment), ids)
    except SecretError as refusal:
        raise explain(environment, refusal.secret_id, refusal.failure) from refusal
    complete = with_pulled(environment, values(environment, {name: version.text for name, version in found.items()}))
    validate(complete, secrets_pulled=True)
    return Pulled(complete, {name: version.version_id for name, version in found.items()})
