"""AWS as moto's server plays it with IAM switched on: users see what their policies allow."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from salambot_cli.config.load import load_environment
from salambot_cli.model.environment import Environment
from tests.doctor.cloud import REGION, Moto

ALL = ("secretsmanager:*", "kms:*")
TOML = """topology = ["t3"]
allow_insecure = ["secrets"]

[aws]
region = "{region}"
"""


@dataclass(frozen=True)
class Account:
    """One empty account, and projects that read their secrets from it."""

    moto: Moto
    folder: Path

    def put(self, name: str, value: object) -> str:
        """Create a secret (an object becomes JSON); return its ARN."""
        text = value if isinstance(value, str) else json.dumps(value)
        made = self.moto.client("secretsmanager").create_secret(Name=name, SecretString=text)
        return str(made["ARN"])

    def user(self, name: str, *actions: str, resource: str = "*") -> dict[str, str]:
        """Make a user who may do only this; return its keys as variables. From now on IAM decides."""
        iam = self.moto.client("iam")
        iam.create_user(UserName=name)
        if actions:
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
            document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_user_policy(UserName=name, PolicyName="it", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def environment(self, secret: str, environ: dict[str, str], *, url: str | None = None) -> Environment:
        """Load a project whose `[aws]` table ends with the line `secret`."""
        toml = TOML.format(region=environ.get("REGION", REGION)) + secret
        (self.folder / "salambot.toml").write_text(toml)
        (self.folder / "aws-config").touch()
        given = {"AWS_ENDPOINT_URL": url or self.moto.url, "AWS_CONFIG_FILE": str(self.folder / "aws-config")}
        return load_environment(self.folder, environ=given | environ)


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    """Start moto once a worker."""
    server = Moto()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def account(moto: Moto, tmp_path: Path) -> Account:
    """Return an account with nothing in it; IAM decides once `demand` was called."""
    moto.reset()
    return Account(moto, tmp_path)


@pytest.fixture
def reader(account: Account) -> Callable[..., dict[str, str]]:
    """Return a function that makes a user with these actions and switches IAM on."""

    def make(*actions: str, resource: str = "*") -> dict[str, str]:
        keys = account.user("reader", *(actions or ALL), resource=resource)
        account.moto.demand_credentials()
        return keys

    return make
