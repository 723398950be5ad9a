"""Named environments of one project: what each inherits, what each has of its own, and how they are told apart."""

import json
from pathlib import Path

import pytest

from tests.stack import Project

TOML = """
tenant = "shop"
[ports]
gateway = 18080
[env]
LOG_LEVEL = "DEBUG"
S3_BUCKET = "shop-kb"
[env.staging]
topology = ["t2"]
[env.staging.placement]
llm = "local"
[env.staging.ports]
rag = 19083
[env.staging.env]
S3_BUCKET = "shop-kb-staging"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "salambot.toml").write_text(TOML)
    return Project(tmp_path)


def values(project: Project, *words: str, **environ: str) -> dict[str, tuple[object, str]]:
    rows = project.json("config", "show", *words, **environ)["values"]
    return {row["key"]: (row["value"], row["layer"]) for row in rows}


def test_it_inherits_all_but_ports(project: Project) -> None:
    own, staging = values(project), values(project, "--env", "staging")
    assert own["ports.gateway"] == (18080, "salambot.toml")
    assert own["placement.objects"][0] == "local"
    assert own["S3_BUCKET"][0] == "shop-kb"
    assert staging["tenant"] == ("shop", "salambot.toml")
    assert staging["placement.objects"][0] == "s3"
    assert staging["placement.llm"] == ("local", "salambot.toml")
    assert staging["LOG_LEVEL"][0] == "DEBUG"
    assert staging["S3_BUCKET"][0] == "shop-kb-staging"
    assert (staging["ports.gateway"], staging["ports.rag"]) == (("auto", "default"), (19083, "salambot.toml"))
    assert values(project, SALAMBOT_ENV="staging") == staging
    assert values(project, "--env", "local", SALAMBOT_ENV="staging") == own


def test_its_variables_file_stands_above_the_common_one(project: Project) -> None:
    (project.folder / ".env").write_text("LOG_LEVEL=WARNING\nAWS_REGION=eu-west-1\nSALAMBOT_PORTS_GATEWAY=18081\n")
    project.run("env", "set", "AWS_REGION", "--env", "staging", stdin="eu-west-3")
    assert (project.folder / ".env.staging").read_text() == "AWS_REGION=eu-west-3\n"
    assert (project.folder / ".env.staging").stat().st_mode & 0o777 == 0o600
    staging = values(project, "--env", "staging")
    assert (staging["AWS_REGION"][0], staging["LOG_LEVEL"][0]) == ("eu-west-3", "WARNING")
    assert staging["ports.gateway"][0] == "auto"
    assert values(project)["AWS_REGION"][0] == "eu-west-1"
    project.run("env", "unset", "AWS_REGION", "--env", "staging")
    assert values(project, "--env", "staging")["AWS_REGION"][0] == "eu-west-1"


def test_what_differs_is_shown_by_name(project: Project) -> None:
    for name, secret in (("local", "first-secret-1"), ("staging", "second-secret-2")):
        project.run("env", "set", "WEBHOOK_SECRET", "--env", name, stdin=secret * 3)
    found = project.json("env", "diff", "local", "staging", status=1)["differences"]
    seen = {row["name"]: (row["here"], row["there"]) for row in found}
    assert seen["S3_BUCKET"] == ("shop-kb", "shop-kb-staging")
    assert seen["topology"] == ('["local"]', '["t2"]')
    assert "secret" not in json.dumps(seen["WEBHOOK_SECRET"])
    assert "LOG_LEVEL" not in seen
    assert project.json("env", "diff", "staging", "staging")["differences"] == []
    other_way = project.json("env", "diff", "local", "--env", "staging", status=1)["differences"]
    assert {row["name"]: (row["there"], row["here"]) for row in other_way} == seen


def test_a_placement_is_edited_where_it_counts(project: Project) -> None:
    project.run("config", "edit-placement", "vector=qdrant", "--env", "staging")
    assert values(project, "--env", "staging")["placement.vector"] == ("qdrant", "salambot.toml")
    assert values(project)["placement.vector"][0] == "local"


@pytest.mark.parametrize(
    ("toml", "words", "said"),
    [
        (TOML, ["--env", "stagin"], "did you mean staging"),
        (TOML, ["--env", "Staging!"], "cannot name an environment"),
        ("[env.local]\ntenant = 'x'", [], "local cannot name an environment"),
        ("[env.Staging]\ntenant = 'x'", [], "Staging cannot name an environment"),
        ("[env.staging.placement]\nvector = 'pinecon'", [], "env/staging/placement/vector: should be one of local"),
        ("[env.staging]\ntennant = 'x'", [], "did you mean tenant?"),
        ("[env.staging.env]\nOPENAI_API_KEY = 'x'", [], "OPENAI_API_KEY is a secret"),
        ("[env]\nLOG_LEVL = 'x'", [], "LOG_LEVL is not a variable"),
    ],
    ids=["unknown", "no-name", "taken", "capital", "placement", "key", "secret", "variable"],
)
def test_a_mistake_is_named(tmp_path: Path, toml: str, words: list[str], said: str) -> None:
    (tmp_path / "salambot.toml").write_text(toml)
    assert said in Project(tmp_path).run("config", "show", *words, status=2).stderr.replace("\n  ", " ")


def test_commands_that_are_proposed_lead_back_to_it(project: Project) -> None:
    said = project.run("config", "validate", "--env", "staging", status=2, SALAMBOT_PORTS_RAG="x").stderr
    assert "salambot.toml" in said
    set_ = project.run("env", "set", "LOG_LEVEL", "--env", "staging", stdin="INFO").stderr
    assert "salambot --env staging up" in set_
    assert "--env" not in project.run("env", "set", "LOG_LEVEL", stdin="INFO").stderr


def test_init_writes_the_project_itself(tmp_path: Path) -> None:
    assert "--env" in Project(tmp_path).run("init", "--env", "staging", status=2).stderr
    Project(tmp_path).run("init", SALAMBOT_ENV="staging")
    assert (tmp_path / "salambot.toml").is_file()
    assert ".env.*" in (tmp_path / ".gitignore").read_text()
