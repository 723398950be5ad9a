"""`salambot secrets`: what is stored, shown, searched; nothing but `--reveal` shows a value."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.security.conftest import Account
from tests.stack import Project, make_project

Reader = Callable[..., dict[str, str]]
KEY = "sk-planted-value-of-the-model"


@pytest.fixture
def shop(account: Account, reader: Reader) -> tuple[Project, dict[str, str]]:
    """Return a project with `secrets = "aws"`, and the variables of a shell that may do all."""
    environ = reader() | {"AWS_ENDPOINT_URL": account.moto.url, "AWS_CONFIG_FILE": str(account.folder / "aws-config")}
    account.environment('secret = "salambot/demo"\n', environ)
    return Project(account.folder), environ


def test_push_then_pull_then_status(shop: tuple[Project, dict[str, str]]) -> None:
    project, environ = shop
    made = project.run("secrets", "push", "OPENAI_API_KEY", "--create", stdin=f"{KEY}\n", **environ)
    project.run("secrets", "push", "META_PAGE_TOKEN", stdin="EAApage-token", **environ)
    names = project.json("secrets", "pull", **environ)
    revealed = project.json("secrets", "pull", "--reveal", **environ)
    ages = project.json("secrets", "status", **environ)
    assert KEY not in made.stdout + made.stderr + json.dumps(names) + json.dumps(ages)
    values = {entry["name"]: entry.get("value") for entry in revealed["secrets"]}
    assert (values["OPENAI_API_KEY"], values["META_PAGE_TOKEN"]) == (KEY, "EAApage-token")
    [aws] = [entry for entry in ages["secrets"] if entry["source"] == "secrets manager"]
    assert (aws["name"], aws["age_days"], aws["limit_days"], aws["stale"]) == ("salambot/demo", 0, 90, False)
    assert sorted(label for labels in aws["stages"].values() for label in labels) == ["AWSCURRENT", "AWSPREVIOUS"]
    assert aws["version"] in aws["stages"]
    assert aws["version"] == names["versions"]["salambot/demo"]
    pending = [json.loads(line) for line in (project.folder / ".salambot" / "audit.pending").read_text().splitlines()]
    assert [line["action"] for line in pending] == ["secret.write"] * 2 + ["secret.read"] * 2, "no stack takes them now"
    assert all(line["outcome"].startswith("done at 2") for line in pending)
    everything = [path.read_bytes() for path in project.folder.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content for content in everything)


def test_push_moves_what_stands_in_dotenv(shop: tuple[Project, dict[str, str]]) -> None:
    project, environ = shop
    dotenv = project.folder / ".env"
    dotenv.touch(mode=0o600)
    dotenv.write_text(f"OPENAI_API_KEY={KEY}\nLOG_LEVEL=INFO\n")
    assert project.json("secrets", "push", "--create", **environ)["pushed"] == ["OPENAI_API_KEY"]
    dotenv.unlink()
    assert "OPENAI_API_KEY" in project.run("secrets", "pull", **environ).stdout


def test_push_of_nothing_or_into_nowhere(shop: tuple[Project, dict[str, str]]) -> None:
    project, environ = shop
    assert "is empty" in project.run("secrets", "push", "OPENAI_API_KEY", status=2, **environ).stderr
    assert "did you mean OPENAI_API_KEY?" in project.run("secrets", "push", "OPENAI_APIKEY", status=2, **environ).stderr
    missing = project.run("secrets", "push", "OPENAI_API_KEY", status=3, stdin=KEY, **environ)
    assert "there is no secret salambot/demo" in missing.stderr
    assert KEY not in missing.stderr


def test_without_credentials_nothing_is_read_and_the_login_is_named(account: Account) -> None:
    account.environment('secret = "salambot/demo"\n', {})
    nobody = {
        "AWS_CONFIG_FILE": str(account.folder / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(account.folder / "nothing"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": account.moto.url,
    }
    for words in (("pull",), ("status",), ("push", "OPENAI_API_KEY")):
        error = Project(account.folder).run("secrets", *words, status=3, stdin=KEY, **nobody).stderr
        assert "no AWS credentials to read the secret salambot/demo with" in error
        assert "aws sso login" in error
        assert KEY not in error


@pytest.mark.parametrize(
    ("words", "allowed", "named"),
    [
        (("push", "OPENAI_API_KEY"), ("GetSecretValue",), "PutSecretValue"),
        (("push", "OPENAI_API_KEY", "--create"), ("GetSecretValue",), "CreateSecret"),
        (("status",), ("GetSecretValue",), "DescribeSecret"),
        (("status",), ("DescribeSecret",), "ListSecretVersionIds"),
    ],
)
def test_what_else_is_denied_names_its_own_action(
    account: Account, words: tuple[str, ...], allowed: tuple[str, ...], named: str
) -> None:
    account.put("salambot/demo", {"META_PAGE_TOKEN": "EAApage"})
    keys = account.user("reader", *(f"secretsmanager:{name}" for name in allowed))
    account.moto.demand_credentials()
    account.environment('secret = "salambot/demo"\n', {})
    environ = keys | {"AWS_ENDPOINT_URL": account.moto.url, "AWS_CONFIG_FILE": str(account.folder / "aws-config")}
    error = Project(account.folder).run("secrets", *words, status=3, stdin=KEY, **environ).stderr
    assert f"may not use secretsmanager:{named} with the secret salambot/demo" in error
    assert f'"Action": "secretsmanager:{named}"' in error
    assert "salambot secrets policy rotate" in error


def test_creating_what_is_there_says_so(shop: tuple[Project, dict[str, str]]) -> None:
    project, environ = shop
    project.run("secrets", "push", "OPENAI_API_KEY", "--create", stdin=KEY, **environ)
    again = project.run("secrets", "push", "OPENAI_API_KEY", "--create", status=3, stdin=KEY, **environ).stderr
    assert "there is a secret salambot/demo in eu-west-1 already" in again
    assert "without --create" in again


def test_the_resource_policy_tells_who_may_read(account: Account, shop: tuple[Project, dict[str, str]]) -> None:
    project, environ = shop
    project.run("secrets", "push", "OPENAI_API_KEY", "--create", stdin=KEY, **environ)
    role = "arn:aws:iam::123456789012:role/rag"
    statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "secretsmanager:GetSecretValue",
                 "Resource": "*"}  # fmt: skip
    account.moto.post("/moto-api/reset-auth", b"1000000000")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.moto.client("secretsmanager").put_resource_policy(SecretId="salambot/demo", ResourcePolicy=policy)
    [aws] = project.json("secrets", "status", **environ)["secrets"][:1]
    assert aws["readers"] == [role]


def test_what_is_not_ours_to_rotate(tmp_path: Path) -> None:
    (tmp_path / "salambot.toml").touch()
    error = Project(tmp_path).run("secrets", "rotate", "OPENAI_API_KEY", status=2).stderr
    assert "salambot secrets push OPENAI_API_KEY" in error
    given = Project(tmp_path).run("secrets", "rotate", "webhook", status=2, WEBHOOK_SECRET="whsec_" + "A" * 32).stderr
    assert "WEBHOOK_SECRET=NEW,OLD" in given


@pytest.mark.parametrize("name", ["webhook", "meta", "verify", "telegram", "internal"])
def test_the_one_before_holds_on_until_the_overlap_is_finished(tmp_path: Path, name: str) -> None:
    project, keys = make_project(tmp_path), tmp_path / ".salambot" / "keys"
    project.json("secrets", "rotate", name)
    [rotated] = [path for path in keys.iterdir() if "," in path.read_text() and path.suffix != ".json"]
    newest, before = rotated.read_text().split(",")
    project.json("secrets", "rotate", name)
    assert rotated.read_text().split(",")[1:] == [newest]
    project.json("secrets", "rotate", name, "--finish")
    assert rotated.read_text() not in {newest, before}
    assert "," not in rotated.read_text()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("aws = 'AKIA" + "QWERTYUIOPASDFGH'\n", "AWS Access Key"),
        ("db = postgres://salambot:h0rsestaple@db/x\n", "Basic Auth Credentials"),
        ("copied = planted-verify-token\n", "the value of META_VERIFY_TOKEN"),
    ],
)
def test_scan_names_place_and_kind_and_shows_nothing(tmp_path: Path, text: str, kind: str) -> None:
    project = Project(tmp_path)
    (tmp_path / "salambot.toml").touch()
    (tmp_path / ".env").touch(mode=0o600)
    (tmp_path / ".env").write_text("META_VERIFY_TOKEN=planted-verify-token\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert project.json("secrets", "scan")["status"] == "pass"
    (tmp_path / "notes.txt").write_text(f"\n{text}")
    found = project.json("secrets", "scan", status=1)
    assert found["leaks"] == [{"path": "notes.txt", "line": 2, "kind": kind}]
