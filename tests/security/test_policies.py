"""The policies allow exactly what the code calls, and the linter has nothing to say about them."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from salambot_cli.config.load import load_environment
from salambot_cli.model.environment import Environment
from salambot_cli.render.policies import POLICIES, policy
from tests.stack import Project

S3 = {
    "list_objects_v2": "ListBucket",
    "delete_objects": "DeleteObject",
    "head_object": "GetObject",
    "upload_file": "PutObject",
    "download_file": "GetObject",
}
"""Where IAM's name of an operation is another one. `upload_file` takes its parts back when it fails: see below."""
READS = {"secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "kms:Decrypt"}


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    toml = 'tenant = "demo"\ntopology = "t3"\n[aws]\nregion = "eu-west-1"\n[aws.secret]\n'
    (tmp_path / "salambot.toml").write_text(f'{toml}OPENAI_API_KEY = "models#openai"\nPOSTGRES_URL = "shop"\n')
    return load_environment(tmp_path, environ={})


def actions(document: dict[str, object]) -> set[str]:
    statements = document["Statement"]
    assert isinstance(statements, list)
    return {action for statement in statements for action in statement["Action"]}


def called(checkout: Path, module: str, client: str) -> set[str]:
    """Return the operations that a module calls, as IAM names them."""
    source = (checkout / "salambot_cli" / "aws" / module).read_text()
    names = set(re.findall(rf"\b_?{client}\.([a-z_0-9]+)\(", source)) | set(
        re.findall(r'get_paginator\("(\w+)"', source)
    )
    names -= {"get_paginator"}
    return {S3.get(name) or "".join(word.title() for word in name.split("_")) for name in names}


def test_policies_allow_what_the_code_calls(checkout: Path, environment: Environment) -> None:
    allowed = actions(policy(environment, "read")) | actions(policy(environment, "rotate"))
    secrets = {f"secretsmanager:{name}" for name in called(checkout, "secrets_manager.py", "secretsmanager")}
    assert allowed == secrets | {"kms:Decrypt", "kms:GenerateDataKey"}
    assert actions(policy(environment, "read")) == READS
    assert actions(policy(environment, "seed")) == {
        *(f"s3:{name}" for name in called(checkout, "bucket_mirror.py", "s3")),
        "s3:AbortMultipartUpload",
    }
    assert actions(policy(environment, "orchestrateur")) == {"s3:GetObject", "s3:ListBucket"}


@pytest.mark.parametrize("name", POLICIES)
def test_the_linter_has_nothing_to_say(environment: Environment, name: str) -> None:
    linter = Path(sys.executable).with_name("parliament")
    text = json.dumps(policy(environment, name))
    done = subprocess.run([linter, "--json"], input=text, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == ""
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", POLICIES)
def test_nothing_but_the_batch_call_is_for_every_resource(environment: Environment, name: str) -> None:
    for statement in policy(environment, name)["Statement"]:  # type: ignore[attr-defined] # a list
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        open_to_all = [r for r in resources if r in {"*", "arn:aws:s3:::*"}]
        assert open_to_all == [] or statement["Action"] == ["secretsmanager:BatchGetSecretValue"]
        assert not any("*" in action for action in statement["Action"])


@pytest.mark.parametrize(
    ("key", "resource", "alias"),
    [
        ("alias/documents", "arn:aws:kms:eu-west-1:123456789012:key/*", "alias/documents"),
        (
            "arn:aws:kms:eu-west-1:999999999999:alias/documents",
            "arn:aws:kms:eu-west-1:999999999999:key/*",
            "alias/documents",
        ),
        ("1234-abcd", "arn:aws:kms:eu-west-1:123456789012:key/1234-abcd", None),
        ("arn:aws:kms:eu-west-1:999999999999:key/1234-abcd", "arn:aws:kms:eu-west-1:999999999999:key/1234-abcd", None),
    ],
)
@pytest.mark.parametrize(("name", "most"), [("seed", {"kms:Decrypt", "kms:GenerateDataKey"}),
                                            ("orchestrateur", {"kms:Decrypt"})])  # fmt: skip
def test_documents_under_a_key_of_yours_can_be_written_and_read(
    environment: Environment, name: str, most: set[str], key: str, resource: str, alias: str | None
) -> None:
    keyed = replace(environment, aws=replace(environment.aws, kms_key=key))
    document = policy(keyed, name, account="123456789012")
    assert actions(document) - actions(policy(environment, name)) == most
    statement = document["Statement"][-1]  # type: ignore[index] # a list
    assert statement["Resource"] == resource
    condition = statement["Condition"]
    assert condition["StringEquals"] == {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
    assert condition.get("ForAnyValue:StringEquals", {}).get("kms:ResourceAliases") == alias
    linter = Path(sys.executable).with_name("parliament")
    done = subprocess.run(
        [linter, "--json"], input=json.dumps(document), capture_output=True, text=True, timeout=300, check=False
    )
    said = [
        line for line in done.stdout.splitlines() if "kms:ResourceAliases" not in line
    ]  # which it is too old to know
    assert said == []
    assert alias or done.returncode == 0, done.stderr


def test_the_command_prints_a_policy(environment: Environment) -> None:
    project = Project(environment.root)
    document = json.loads(project.run("secrets", "policy", "read", "--account", "123456789012").stdout)
    assert "arn:aws:secretsmanager:eu-west-1:123456789012:secret:models-??????" in document["Statement"][0]["Resource"]
    assert "read" in project.run("secrets", "policy", "raed", status=2).stderr
