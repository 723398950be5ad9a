"""`secrets push`: a new version of a secret in Secrets Manager; the value never touches the disk."""

import json

from salambot_cli.aws.clients import aws_clients
from salambot_cli.aws.secrets_manager import SecretError, put_secret, read_secrets
from salambot_cli.components.variables import SECRET_VARIABLES, is_secret
from salambot_cli.config.aws_errors import explain
from salambot_cli.config.schema import nearest
from salambot_cli.config.secret_references import SecretReference, secret_ids
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.secret import Secret


def known_secret(name: str) -> str:
    """Return the name of a secret variable. Raises ConfigurationError with the nearest one."""
    if not is_secret(name):
        listed = ", ".join(sorted(SECRET_VARIABLES))
        what = f"{name} is no secret variable{nearest(name, SECRET_VARIABLES)}"
        raise ConfigurationError(what, f"they are {listed}", "salambot secrets push OPENAI_API_KEY")
    return name


def values_of_dotenv(environment: Environment) -> dict[str, Secret]:
    """Return the secrets that stand in `.env`: what `push` without a name moves."""
    held = {v.name: Secret(v.reveal()) for v in environment.variables.values() if v.layer == ".env"}
    return {name: value for name, value in held.items() if is_secret(name) and not name.startswith("AWS_")}


def push_secret(
    environment: Environment, values: dict[str, Secret], *, create: bool, kms_key: str | None = None
) -> dict[str, str]:
    """Store values where `[aws] secret` places their variables; return secret id -> new version id. It blocks.

    Raises:
        SalamBotError: a secret cannot be read or written, or a variable has no place.
    """
    by_secret: dict[str, dict[str | None, Secret]] = {}
    for name, value in values.items():
        place = _place(environment, name)
        by_secret.setdefault(place.secret_id, {})[place.key] = value
    return {
        secret_id: _put(environment, secret_id, members, create=create, kms_key=kms_key)
        for secret_id, members in by_secret.items()
    }


def _place(environment: Environment, name: str) -> SecretReference:
    secret_ids(environment)  # says so when none is configured
    configured = environment.aws.secret
    if isinstance(configured, str):
        return SecretReference(configured, name)
    if configured is None or name not in configured:
        fix = f'{name} = "secret-id#json-key" under [aws.secret] in salambot.toml'
        raise ConfigurationError(f"[aws.secret] has no place for {name}", "the table names each variable", fix)
    return SecretReference.parse(configured[name])


def _put(
    environment: Environment, secret_id: str, members: dict[str | None, Secret], *, create: bool, kms_key: str | None
) -> str:
    aws = aws_clients(environment)
    try:
        if None in members:
            return put_secret(aws, secret_id, members[None], create=create, kms_key=kms_key)
        before = {} if create else _object(secret_id, read_secrets(aws, [secret_id])[secret_id].text)
        after = before | {str(key): value.reveal() for key, value in members.items()}
        text = Secret(json.dumps(after, ensure_ascii=False))
        return put_secret(aws, secret_id, text, create=create, kms_key=kms_key)
    except SecretError as refusal:
        raise explain(environment, refusal.secret_id, refusal.failure) from refusal


def _object(secret_id: str, text: Secret) -> dict[str, object]:
    try:
        found = json.loads(text.reveal())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        fix = f"aws secretsmanager get-secret-value --secret-id {secret_id}"
        raise ConfigurationError(f"the secret {secret_id} holds something else than a JSON object", "it is kept", fix)
    return found
