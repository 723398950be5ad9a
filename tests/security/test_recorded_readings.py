"""Every command that reads Secrets Manager leaves an audit record of it: of a refusal, and of a start that failed."""

import json
from collections.abc import Callable

import pytest

from tests.doctor.wires import closed_port
from tests.security.conftest import Account
from tests.stack import ALL_AUTO, Project

Reader = Callable[..., dict[str, str]]
READING = (
    ("up", "--no-seed"),
    ("render", "--target", "kubernetes"),
    ("park",),
    ("doctor", "secrets", "--offline"),
    ("secrets", "pull"),
)


def outcomes(account: Account, words: tuple[str, ...], keys: dict[str, str]) -> list[tuple[str, str]]:
    """Run a command where the database is in the cloud; return action and outcome of what waits for the trail."""
    account.environment('secret = "salambot/demo"\n', {})
    toml = account.folder / "salambot.toml"
    toml.write_text(f'runtime = "process"\n{toml.read_text()}\n{ALL_AUTO}\n[placement]\npostgres = "cloud"\n')
    environ = keys | {"AWS_ENDPOINT_URL": account.moto.url, "AWS_CONFIG_FILE": str(account.folder / "aws-config")}
    Project(account.folder).run(*words, status=None, **environ)
    lines = (account.folder / ".salambot" / "audit.pending").read_text().splitlines()
    return [(line["action"], line["outcome"].partition(" at ")[0]) for line in map(json.loads, lines)]


@pytest.mark.parametrize("words", READING)
def test_a_reading_is_recorded_whatever_comes_of_the_command(
    account: Account, reader: Reader, words: tuple[str, ...]
) -> None:
    nowhere = f"postgres://u:p@127.0.0.1:{closed_port()}/salambot?sslmode=verify-full"
    account.put("salambot/demo", {"OPENAI_API_KEY": "sk-of-the-model", "POSTGRES_URL": nowhere})
    assert outcomes(account, words, reader()) == [("secret.read", "done")]


@pytest.mark.parametrize("words", READING)
def test_a_refusal_is_recorded(account: Account, reader: Reader, words: tuple[str, ...]) -> None:
    account.put("salambot/demo", {})
    assert outcomes(account, words, reader("s3:GetObject")) == [("secret.read", "failed")]
