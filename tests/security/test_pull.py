"""Reading secrets from Secrets Manager: what comes where, and what each refusal says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from salambot_cli.config.pull_secrets import pull
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, PrerequisiteError, SalamBotError
from tests.doctor.cloud import REGION
from tests.doctor.wires import answers, closed_port, http, mute, talking
from tests.security.conftest import Account

Reader = Callable[..., dict[str, str]]
ONE = 'secret = "salambot/demo"\n'
KEY = "sk-planted-value-of-the-model"


def refusal(environment: Environment) -> SalamBotError:
    """Return the error of a pull; the secret's value is in none of its texts."""
    with pytest.raises(SalamBotError) as caught:
        pull(environment)
    error = caught.value
    cause: BaseException | None = error
    while cause is not None:
        assert KEY not in f"{cause} {cause.__dict__}"
        cause = cause.__cause__
    assert error.what
    assert error.fix
    return error


def test_one_json_secret_gives_the_variables(account: Account, reader: Reader) -> None:
    account.put("salambot/demo", {"OPENAI_API_KEY": KEY, "META_PAGE_TOKEN": "EAApage", "SOMETHING_ELSE": "x"})
    pulled = pull(account.environment(ONE, reader()))
    variable = pulled.environment.variables["OPENAI_API_KEY"]
    assert (variable.reveal(), variable.layer) == (KEY, "secrets manager")
    assert pulled.environment.value("META_PAGE_TOKEN") == "EAApage"
    assert pulled.environment.value("SOMETHING_ELSE") is None
    assert list(pulled.versions) == ["salambot/demo"]
    assert KEY not in repr(pulled)


def test_a_table_reads_several_secrets_in_one_call(account: Account, reader: Reader) -> None:
    account.put("models/openai", KEY)
    account.put("shop", {"page": "EAApage"})
    table = '[aws.secret]\nOPENAI_API_KEY = "models/openai"\nMETA_PAGE_TOKEN = "shop#page"\n'
    environment = pull(account.environment(table, reader())).environment
    assert (environment.value("OPENAI_API_KEY"), environment.value("META_PAGE_TOKEN")) == (KEY, "EAApage")


def test_the_process_environment_stands_above_and_dotenv_below(account: Account, reader: Reader) -> None:
    account.put("salambot/demo", {"OPENAI_API_KEY": KEY, "META_PAGE_TOKEN": "EAAcurrent"})
    (account.folder / ".env").write_text("META_PAGE_TOKEN=EAAforgotten\n")
    (account.folder / ".env").chmod(0o600)
    environment = pull(account.environment(ONE, reader() | {"OPENAI_API_KEY": "sk-of-this-shell"})).environment
    assert environment.value("OPENAI_API_KEY") == "sk-of-this-shell"
    assert environment.value("META_PAGE_TOKEN") == "EAAcurrent"


def test_nothing_is_read_where_secrets_stand_in_the_environment(tmp_path: Path) -> None:
    from salambot_cli.config.load import load_environment

    environment = load_environment(tmp_path, environ={})
    assert pull(environment).environment is environment


def test_no_secret_is_configured(account: Account, reader: Reader) -> None:
    error = refusal(account.environment("", reader()))
    assert isinstance(error, ConfigurationError)
    assert 'secret = "salambot/demo"' in error.fix


def test_denied_names_the_secret_and_the_statement_to_add(account: Account, reader: Reader) -> None:
    account.put("salambot/demo", {"OPENAI_API_KEY": KEY})
    error = refusal(account.environment(ONE, reader("s3:GetObject")))
    assert isinstance(error, PrerequisiteError)
    assert "salambot/demo" in error.what
    statement = json.loads(error.fix.splitlines()[1])
    assert (statement["Effect"], statement["Action"]) == ("Allow", "secretsmanager:GetSecretValue")
    assert statement["Resource"].startswith(f"arn:aws:secretsmanager:{REGION}:")
    assert statement["Resource"].endswith(":secret:salambot/demo-??????")


def test_the_action_that_is_named_is_enough(account: Account, reader: Reader) -> None:
    account.put("salambot/demo", {"OPENAI_API_KEY": KEY})
    error = refusal(account.environment(ONE, reader("s3:GetObject")))
    statement = json.loads(error.fix.splitlines()[1])
    account.moto.post("/moto-api/reset-auth", b"1000000000")
    keys = account.user("allowed", statement["Action"])  # moto looks at no resource but `*`
    account.moto.demand_credentials()
    assert pull(account.environment(ONE, keys)).environment.value("OPENAI_API_KEY") == KEY


async def test_denied_on_one_of_several_names_that_one(account: Account) -> None:
    import asyncio

    said = "User: arn:aws:iam::123456789012:user/u is not authorized to perform: secretsmanager:GetSecretValue"
    readable = {"Name": "models", "SecretString": KEY, "ARN": "arn:…:models-AbCdEf", "VersionId": "1"}
    denied = {"SecretId": "shop", "ErrorCode": "AccessDeniedException", "Message": said}
    async with http(answers(200, {"SecretValues": [readable], "Errors": [denied]})) as port:
        table = '[aws.secret]\nOPENAI_API_KEY = "models"\nMETA_PAGE_TOKEN = "shop#page"\n'
        environment = account.environment(table, KEYS, url=f"http://127.0.0.1:{port}")
        error = await asyncio.to_thread(refusal, environment)
    assert error.what == "these credentials may not read the secret shop"
    [statement] = [json.loads(line) for line in error.fix.splitlines()[1:]]
    assert statement["Resource"] == f"arn:aws:secretsmanager:{REGION}:123456789012:secret:shop-??????"


def test_several_are_denied_by_the_call_that_reads_them_together(account: Account, reader: Reader) -> None:
    table = '[aws.secret]\nOPENAI_API_KEY = "models"\nMETA_PAGE_TOKEN = "shop#page"\n'
    error = refusal(account.environment(table, reader("secretsmanager:GetSecretValue")))
    statements = [json.loads(line) for line in error.fix.splitlines()[1:]]
    assert [statement["Action"].partition(":")[2] for statement in statements] == [
        "GetSecretValue", "GetSecretValue", "BatchGetSecretValue"
    ]  # fmt: skip


def test_credentials_that_aws_does_not_know(account: Account, reader: Reader) -> None:
    account.put("salambot/demo", {"OPENAI_API_KEY": KEY})
    keys = reader() | {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
    assert "does not take these credentials" in refusal(account.environment(ONE, keys)).what


def test_another_region_has_no_such_secret(account: Account, reader: Reader) -> None:
    account.put("salambot/demo", {"OPENAI_API_KEY": KEY})
    error = refusal(account.environment(ONE, reader() | {"REGION": "us-east-1"}))
    assert error.what == "there is no secret salambot/demo in us-east-1"
    assert "region" in error.why


def test_scheduled_for_deletion_names_the_command_that_restores(account: Account, reader: Reader) -> None:
    account.put("salambot/demo", {"OPENAI_API_KEY": KEY})
    account.moto.client("secretsmanager").delete_secret(SecretId="salambot/demo")
    error = refusal(account.environment(ONE, reader()))
    assert "scheduled for deletion" in error.what
    assert f"restore-secret --secret-id salambot/demo --region {REGION}" in error.fix


@pytest.mark.parametrize("text", [KEY, f'{{"OPENAI_API_KEY": "{KEY}"', f'["{KEY}"]'])
def test_what_is_no_json_object_is_said_without_showing_it(account: Account, reader: Reader, text: str) -> None:
    account.put("salambot/demo", text)
    assert "not a JSON object" in refusal(account.environment(ONE, reader())).what


def test_a_missing_key_names_those_there_are(account: Account, reader: Reader) -> None:
    account.put("shop", {"openai_key": KEY})
    error = refusal(account.environment('[aws.secret]\nOPENAI_API_KEY = "shop#openai-key"\n', reader()))
    assert "has no key openai-key, which OPENAI_API_KEY is read from" in error.what
    assert "did you mean openai_key?" in error.why


def test_a_variable_that_no_layer_has_is_missing(account: Account, reader: Reader) -> None:
    account.put("salambot/demo", {"META_PAGE_TOKEN": "EAApage"})
    error = refusal(account.environment(ONE, reader()))
    assert "OPENAI_API_KEY" in error.what
    assert "Secrets Manager" in error.why


@pytest.mark.parametrize(
    ("secret", "value"),
    [(ONE, {"OPENAI_API_KEY": ""}), ('[aws.secret]\nOPENAI_API_KEY = "salambot/demo#k"\n', {"k": ""})],
)
def test_an_empty_value_is_none(account: Account, reader: Reader, secret: str, value: dict[str, str]) -> None:
    account.put("salambot/demo", value)
    error = refusal(account.environment(secret, reader()))
    assert error.what == "the secret salambot/demo holds an empty value for OPENAI_API_KEY"


KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.mark.parametrize(
    ("code", "message", "status", "says"),
    [
        ("ExpiredTokenException", "The security token included in the request is expired", 400, "session has expired"),
        ("ThrottlingException", "Rate exceeded", 400, "throttling"),
        ("AccessDeniedException", "Access to KMS is not allowed", 400, "KMS key"),
        ("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text", 400, "KMS key"),
        ("InvalidRequestException", "KMS key is disabled: arn:aws:kms:…", 400, "KMS key"),
        ("InvalidSignatureException", "Signature expired: 20260105T000000Z is now earlier than …", 400, "time of this"),
        ("InternalServiceError", "An error occurred on the server side.", 500, "cannot be read"),
    ],
)  # fmt: skip
async def test_what_only_aws_itself_can_say(account: Account, code: str, message: str, status: int, says: str) -> None:
    import asyncio

    async with http(answers(status, {"__type": code, "message": message})) as port:
        environment = account.environment(ONE, KEYS, url=f"http://127.0.0.1:{port}")
        error = await asyncio.to_thread(refusal, environment)
    assert says in error.what
    assert "salambot/demo" in error.what
    assert isinstance(error, PrerequisiteError)


async def test_unreachable_is_bounded_and_nothing_old_is_used(account: Account) -> None:
    import asyncio

    async with talking(mute) as port:
        environment = account.environment(ONE, KEYS, url=f"http://127.0.0.1:{port}")
        error = await asyncio.wait_for(asyncio.to_thread(refusal, environment), 60)
    assert "cannot be reached" in error.what
    assert "never kept on disk" in error.why
    refused = account.environment(ONE, KEYS, url=f"http://127.0.0.1:{closed_port()}")
    assert "cannot be reached" in (await asyncio.to_thread(refusal, refused)).what
