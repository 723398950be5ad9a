"""The location of each secret variable in Secrets Manager. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from salambot_cli.components.variables import REQUIRED, is_known, is_secret
from salambot_cli.config.schema import nearest
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.errors import ConfigurationError, PrerequisiteError
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import COMPONENTS

Texts = Mapping[str, Secret]
"""Secret id -> its whole text."""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """One secret, and the JSON key in it; without a key the whole text is the value."""

    secret_id: str
    key: str | None

    @classmethod
    def parse(cls, text: str) -> "SecretReference":
        """Read `secret-id` or `secret-id#json-key`."""
        secret_id, separator, key = text.partition("#")
        return cls(secret_id, key if separator else None)


def secret_ids(environment: Environment) -> tuple[str, ...]:
    """Return the ids of all secrets that an environment reads, each once; raises ConfigurationError without any."""
    configured = _configured(environment)
    if isinstance(configured, str):
        return (configured,)
    return tuple(dict.fromkeys(SecretReference.parse(text).secret_id for text in configured.values()))


def values(environment: Environment, texts: Texts) -> dict[str, Secret]:
    """Return variable -> value.

    Raises:
        PrerequisiteError: a secret is not JSON, lacks a key, or holds an empty value that a placement needs.
    """
    configured = _configured(environment)
    if isinstance(configured, str):
        found = _object(configured, texts[configured])
        empty = [name for name in _required(environment) if name in found and not found[name]]
        if empty:
            raise _empty(configured, empty)
        # The keys that AWS is called with are this machine's own, never half of them another's.
        return {n: value for n, value in found.items() if is_known(n) and value and not n.startswith("AWS_")}
    return {name: _one(name, SecretReference.parse(text), texts) for name, text in configured.items()}


def expected_names(environment: Environment) -> tuple[str, ...]:
    """Return the secret variables that Secrets Manager must hold, by configuration alone."""
    configured = environment.aws.secret
    listed = () if configured is None or isinstance(configured, str) else tuple(configured)
    return tuple(dict.fromkeys(name for name in (*_required(environment), *listed) if is_secret(name)))


def with_pulled(environment: Environment, pulled: Mapping[str, Secret]) -> Environment:
    """Insert pulled values: above `.env`, below the process environment."""
    from dataclasses import replace

    above = {name for name, variable in environment.variables.items() if variable.layer in {"environment", "flag"}}
    fresh = {name: Variable(name, value, "secrets manager") for name, value in pulled.items() if name not in above}
    return replace(environment, variables={**environment.variables, **fresh})


def _configured(environment: Environment) -> str | Mapping[str, str]:
    if environment.aws.secret:
        return environment.aws.secret
    fix = f'under [aws] in salambot.toml: secret = "salambot/{environment.tenant}"'
    raise ConfigurationError('secrets = "aws", and [aws] secret names none', "nothing says what to read", fix)


def _one(name: str, place: SecretReference, texts: Texts) -> Secret:
    text = texts[place.secret_id]
    if place.key is None:
        value: Secret | None = text
    else:
        found = _object(place.secret_id, text)
        value = found.get(place.key)
        if value is None:
            raise PrerequisiteError(
                f"the secret {place.secret_id} has no key {place.key}, which {name} is read from",
                f"its keys are {', '.join(sorted(found)) or 'none'}{nearest(place.key, tuple(found))}",
                f"salambot secrets push {name}, or fix [aws] secret in salambot.toml",
            )
    if not value:
        raise _empty(place.secret_id, [name])
    return value


def _object(secret_id: str, text: Secret) -> dict[str, Secret]:
    try:
        found = json.loads(text.reveal())
    except ValueError as error:
        where = f"at character {error.pos}" if isinstance(error, json.JSONDecodeError) else "somewhere"
        raise _not_json(secret_id, f"its text stops being JSON {where}") from None  # the cause would show the text
    if not isinstance(found, dict):
        raise _not_json(secret_id, f"its text is a JSON {type(found).__name__}")
    return {str(name): Secret(_text(value)) for name, value in found.items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _not_json(secret_id: str, why: str) -> PrerequisiteError:
    fix = (
        'put an object of variables into it, such as {"OPENAI_API_KEY": "…"}: salambot secrets push OPENAI_API_KEY; '
        f'a secret that is one plain value is named by its variable: [aws.secret] OPENAI_API_KEY = "{secret_id}"'
    )
    return PrerequisiteError(f"the secret {secret_id} is not a JSON object", why, fix)


def _empty(secret_id: str, names: Iterable[str]) -> PrerequisiteError:
    listed = list(names)
    return PrerequisiteError(
        f"the secret {secret_id} holds an empty value for {', '.join(listed)}",
        "an empty value is no value",
        "\n".join(f"salambot secrets push {name}" for name in listed),
    )


def _required(environment: Environment) -> tuple[str, ...]:
    return tuple(name for part in COMPONENTS for name in REQUIRED.get((part, environment.placement(part)), ()))
