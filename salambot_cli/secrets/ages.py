"""`secrets status`: how old each secret is, which version it has, who may read it, and whether services run on it."""

import asyncio
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from salambot_cli.aws.clients import aws_clients
from salambot_cli.aws.secrets_manager import Description, SecretError, describe_secret
from salambot_cli.components.variables import is_secret
from salambot_cli.config.aws_errors import explain
from salambot_cli.config.secret_references import secret_ids
from salambot_cli.host.keys import GENERATED, SIGNING_KEY
from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import Environment

LIMIT_DAYS = 90


@dataclass(frozen=True, slots=True)
class SecretAge:
    """One secret as `secrets status` shows it."""

    name: str
    source: str
    age_days: int | None
    """None where nothing tells, as for a variable of the process environment."""
    limit_days: int = LIMIT_DAYS
    version: str | None = None
    stages: dict[str, tuple[str, ...]] | None = None
    kms_key: str | None = None
    rotation: bool | None = None
    readers: tuple[str, ...] | None = None
    drift: bool | None = None
    """True if services run on another version than the current one; None where none runs."""

    @property
    def stale(self) -> bool:
        """Older than the limit."""
        return self.age_days is not None and self.age_days > self.limit_days

    def document(self) -> dict[str, object]:
        """Return it for JSON."""
        return {**asdict(self), "stale": self.stale}


async def secret_ages(environment: Environment) -> list[SecretAge]:
    """Return all secrets that an environment has: in Secrets Manager, in variables, and its own under `.salambot/`.

    Raises:
        SalamBotError: a secret cannot be described, and why.
    """
    ages = await asyncio.to_thread(_in_aws, environment) if environment.placement("secrets") == "aws" else []
    return [*ages, *_variables(environment), *_own(environment)]


def _in_aws(environment: Environment) -> list[SecretAge]:
    aws, ages = aws_clients(environment), []
    used = read_state(environment.root).secret_versions
    for secret_id in secret_ids(environment):
        try:
            found = describe_secret(aws, secret_id)
        except SecretError as refusal:
            raise explain(environment, refusal.secret_id, refusal.failure) from refusal
        ages.append(_described(found, used.get(secret_id)))
    return ages


def _described(found: Description, used: str | None) -> SecretAge:
    age = (datetime.now(UTC) - found.changed).days
    drift = None if used is None else used != found.version_id
    known = (found.version_id, found.stages, found.kms_key, found.rotates, found.readers)
    return SecretAge(found.secret_id, "secrets manager", age, LIMIT_DAYS, *known, drift)


def _variables(environment: Environment) -> list[SecretAge]:
    file = environment.variables_file
    return [
        SecretAge(v.name, v.layer, _file_age(file) if v.layer == ".env" else None)
        for v in environment.variables.values()
        if is_secret(v.name)
    ]


def _own(environment: Environment) -> list[SecretAge]:
    folder = environment.state / "keys"
    ages = [(name, _file_age(folder / name)) for name in (*GENERATED, SIGNING_KEY)]
    return [
        SecretAge(name, "generated", age) for name, age in ages if age is not None and environment.value(name) is None
    ]


def _file_age(path: Path) -> int | None:
    return int((time.time() - path.stat().st_mtime) // 86400) if path.is_file() else None
