"""`salambot env`: variables are checked, written where they are kept, listed and compared; no secret is shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot.core.settings import ServiceSettings
from salambot.gateway.settings import GatewaySettings
from salambot.nlu.settings import NluSettings
from salambot.orchestrateur.settings import OrchestrateurSettings
from salambot.rag.settings import RagSettings
from salambot.worker import WorkerSettings
from salambot_cli.components.variables import DEFAULTS, VARIABLES
from salambot_cli.config.dotenv import load_dotenv
from salambot_cli.config.dotenv_edit import edited
from tests.stack import Project, make_project

KEY = "sk-planted 'quoted' $HOME \\ value"
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda text: text == text.strip())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "shop")


@given(VALUES)
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = tmp_path_factory.mktemp("env") / ".env"
    path.write_text(edited("# kept\nA=1\n\nexport B='old' # note\nB=twice\nC=3", "B", value), encoding="utf-8")
    assert load_dotenv(path, {}).values == {"A": "1", "B": value, "C": "3"}
    assert path.read_text(encoding="utf-8").startswith("# kept\nA=1\n\n")
    assert load_dotenv(path, {}).notes == ()


def test_set_list_and_unset(project: Project) -> None:
    project.run("env", "set", "S3_BUCKET", stdin="shop-kb\n")
    done = project.run("env", "set", "WHATSAPP_TOKEN", stdin=f"{KEY}\n")
    dotenv = project.folder / ".env"
    assert dotenv.stat().st_mode & 0o777 == 0o600
    assert load_dotenv(dotenv, {}).values == {"S3_BUCKET": "shop-kb", "WHATSAPP_TOKEN": KEY}
    listed = project.run("env", "list")
    assert "shop-kb" in listed.stdout
    assert KEY not in done.stdout + done.stderr + listed.stdout
    found = {one["name"]: one for one in project.json("env", "list")["variables"]}
    assert (found["WHATSAPP_TOKEN"]["layer"], found["WHATSAPP_TOKEN"]["read_by"]) == (".env", "worker")
    again = project.json("env", "unset", "S3_BUCKET"), project.json("env", "unset", "S3_BUCKET")
    assert [one["changed"] for one in again] == [True, False]
    assert "S3_BUCKET" not in dotenv.read_text()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("POSTGRES_URL", "postgres://u:p@db.example:port/x", "POSTGRES_URL cannot be used"),
        ("OPENAI_BASE_URL", "localhost", "OPENAI_BASE_URL cannot be used"),
        ("S3_BUCKET", "<your-bucket>", "S3_BUCKET holds an example"),
        ("S3_BUCKET", "shop\u200bkb", "S3_BUCKET holds what was pasted with it"),
        ("S3_BUCKET", "", "the value of S3_BUCKET is empty"),
        ("S3_BUCKETT", "x", "did you mean S3_BUCKET?"),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_it_is_written(
    project: Project, name: str, value: str, why: str
) -> None:
    assert why in project.run("env", "set", name, stdin=value, status=2).stderr
    assert not (project.folder / ".env").exists()


def test_a_shell_that_stands_above_is_named(project: Project) -> None:
    said = project.run("env", "set", "S3_BUCKET", stdin="shop", S3_BUCKET="other").stderr
    assert "S3_BUCKET is set in the environment too" in said


def test_with_secrets_in_aws_no_secret_is_written_here(tmp_path: Path) -> None:
    project = make_project(tmp_path, '[placement]\nsecrets = "aws"')
    said = project.run("env", "set", "AWS_SECRET_ACCESS_KEY", stdin="not-here", status=2).stderr
    assert "AWS_SECRET_ACCESS_KEY is not written to .env" in said
    assert not (tmp_path / ".env").exists()


def test_diff_names_what_differs_and_shows_no_secret(project: Project) -> None:
    other = project.folder / ".env.other"
    other.write_text("S3_BUCKET=there\nWHATSAPP_TOKEN=secret-there\nNOT_OURS=1\n")
    project.run("env", "set", "S3_BUCKET", stdin="here")
    differs = project.run("env", "diff", str(other), status=1)
    assert "here" in differs.stdout
    assert "there" in differs.stdout
    assert "secret-there" not in differs.stdout
    assert "there is no file" in project.run("env", "diff", "nowhere", status=2).stderr


def test_on_a_narrow_terminal_the_table_is_a_list(project: Project) -> None:
    project.run("env", "set", "S3_BUCKET", stdin="a-bucket-with-a-name-that-is-rather-long-for-a-table")
    listed = project.run("env", "list", COLUMNS="50").stdout
    assert "S3_BUCKET\n  value: a-bucket-with-a-name-that-is-rather-long-for" in listed


def test_status_as_variables(project: Project) -> None:
    lines = project.run("status", "-o", "env").stdout.splitlines()
    assert lines[:2] == ["TENANT=demo", "SALAMBOT_STATUS=down"]
    assert "should be env" in project.run("status", "-o", "yaml", status=2).stderr


def test_every_variable_has_its_meaning_and_the_default_that_holds() -> None:
    settings = (GatewaySettings, NluSettings, OrchestrateurSettings, RagSettings, WorkerSettings, ServiceSettings)
    fields = {name.upper(): field for one in settings for name, field in one.model_fields.items()}
    of_the_command = {*DEFAULTS, "ALLOW_DEV_TOKEN", "ENV", "TENANT", "META_VERIFY_TOKEN"}
    for name in VARIABLES.keys() & fields.keys() - of_the_command:
        default = fields[name].default
        told = VARIABLES[name].default
        plain = isinstance(default, str | int | float) and default != ""
        assert told == (str(default).lower() if isinstance(default, bool) else str(default) if plain else ""), name
