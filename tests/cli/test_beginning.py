"""The first files of a project, single moves of a component, and an older configuration brought forward."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_cli.init.topology_guess import guess_topology, tenant_name
from salambot_cli.model.topology import preset
from tests.servers import free_port
from tests.stack import ALL_AUTO, Project, make_project, on_a_terminal

ORIGINAL_ENV = """TENANT=demo
ENV=cloud-local

# DB/Cache (Cloud)
POSTGRES_URL=postgres://user:pass@rds-endpoint:5432/salambot
REDIS_URL=redis://elasticache-endpoint:6379

PINECONE_API_KEY=pc-...
PINECONE_INDEX=salambot-kb

AWS_REGION=eu-west-1
S3_BUCKET=salambot-kb

OTEL_EXPORTER_OTLP_ENDPOINT=https://otlp-gw:4318
OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
OTEL_SERVICE_NAME=salambot-local

PUBLIC_BASE_URL=https://shop.trycloudflare.com
OPENAI_API_KEY=sk-...
JWT_AUDIENCE=gateway
JWT_ISSUER=local-idp
"""
OLD = """# mine
tenant = "demo"
topology = "T1+T3"
region = "eu-west-1"

[components]
db = "rds"
vector = "pgvector"

[ports]
orchestrator = 8090
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def written(project: Project) -> dict[str, object]:
    return tomllib.loads((project.folder / "salambot.toml").read_text())


def test_an_older_env_is_read_and_becomes_t1(project: Project) -> None:
    (project.folder / ".env").write_text(ORIGINAL_ENV)
    said = project.run("init").stderr
    assert "POSTGRES_URL" in said
    assert written(project)["topology"] == ["t1"]
    assert "pc-..." not in (project.folder / "salambot.toml").read_text()


def test_what_places_a_component_is_named_in_any_language(project: Project) -> None:
    (project.folder / ".env").write_text("S3_BUCKET=kb\n")
    said = project.run("init", LANG="fr_MA.UTF-8").stderr
    assert "Il place :\n  objects   (S3_BUCKET)\n" in said


def test_what_differs_from_a_preset_becomes_an_override(project: Project) -> None:
    (project.folder / ".env").write_text("S3_BUCKET=kb\nOTEL_EXPORTER_OTLP_ENDPOINT=https://x\nOPENAI_API_KEY=k\n")
    project.run("init", "--yes")
    document = written(project)
    assert document["topology"] == ["t2"]
    assert document["placement"] == {"tunnel": "none"}


@given(st.dictionaries(st.sampled_from(["POSTGRES_URL", "QDRANT_URL", "S3_BUCKET", "PUBLIC_BASE_URL"]), st.text()))
def test_whatever_the_variables_hold_a_proposal_places_every_component(variables: dict[str, str]) -> None:
    proposal = guess_topology(variables)
    assert {**preset(proposal.presets), **proposal.overrides}.keys() == preset(("local",)).keys()


@given(st.text())
def test_a_tenants_name_can_be_made_of_any_text(text: str) -> None:
    name = tenant_name(text)
    assert 1 <= len(name) <= 63
    assert name.strip("-") == name


def test_questions_are_asked_on_a_terminal_and_enter_takes_the_defaults(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "aws-config"
    config.write_text("[default]\nregion = eu-west-3\n[profile shop]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    status, screen = on_a_terminal(project, "init", answers="Boutique Fès\n\nt9\nt1\nshop\nRiad Atlas\n")
    assert status == 0, screen
    document = written(project)
    assert (document["tenant"], document["topology"]) == ("boutique-fes", ["t1"])
    assert document["business"] == {"name": "Riad Atlas"}
    assert document["aws"] == {"profile": "shop", "region": "eu-west-1"}


def test_a_tenant_that_cannot_be_one_is_answered_by_one_that_can(project: Project) -> None:
    said = project.run("init", "--tenant", "Boutique Fès", status=2).stderr
    assert "init --tenant boutique-fes" in said
    assert not (project.folder / "salambot.toml").exists()


def test_init_ends_with_what_is_really_next(project: Project) -> None:
    said = project.run("init", "--topology", "t1").stderr.splitlines()
    steps = [line.strip() for line in said[said.index("Next:") + 1 :]]
    assert steps[-1].endswith("salambot up")
    assert {step.split()[-1] for step in steps[:-1]} >= {"POSTGRES_URL", "PINECONE_API_KEY", "S3_BUCKET"}


def test_nothing_is_overwritten_and_a_bad_topology_is_a_usage_error(project: Project) -> None:
    (project.folder / "salambot.toml").write_text('tenant = "mine"\n')
    project.run("init")
    assert written(project) == {"tenant": "mine"}
    project.run("init", "--topology", "t9", status=2)


def test_a_component_moves_by_one_line_that_says_what_it_needs(project: Project) -> None:
    project.run("init", "--topology", "local")
    before = (project.folder / "salambot.toml").read_text()
    done = project.run("config", "edit-placement", "vector=pinecone", "objects=s3")
    assert "PINECONE_API_KEY" in done.stderr
    assert "S3_BUCKET" in done.stderr
    assert '+vector = "pinecone"' in done.stdout
    assert written(project)["placement"] == {"vector": "pinecone", "objects": "s3"}
    assert before.splitlines()[0] in (project.folder / "salambot.toml").read_text()
    again = project.json("config", "edit-placement", "vector=pinecone")
    assert again["diff"] == ""


@pytest.mark.parametrize("pair", ["vektor=pinecone", "vector=pinecon", "vector", "=", "ports.gateway=1"])
def test_a_move_that_makes_no_sense_changes_nothing(project: Project, pair: str) -> None:
    done = project.run("config", "edit-placement", pair, status=2)
    assert "is no placement" in done.stderr
    assert not (project.folder / "salambot.toml").exists()


def test_an_older_configuration_is_brought_forward_and_kept(project: Project) -> None:
    file = project.folder / "salambot.toml"
    file.write_text(OLD)
    assert project.json("upgrade-config", "--check", status=1)["status"] == "drift"
    assert file.read_text() == OLD
    done = project.run("upgrade-config")
    assert '-db = "rds"' in done.stdout
    assert written(project) == {
        "tenant": "demo",
        "topology": ["t1", "t3"],
        "placement": {"postgres": "cloud", "vector": "local"},
        "ports": {"orchestrateur": 8090},
        "aws": {"region": "eu-west-1"},
    }
    assert "# mine" in file.read_text()
    assert (project.folder / "salambot.toml.before").read_text() == OLD
    assert project.json("upgrade-config")["status"] == "current"


def test_what_would_not_be_valid_either_is_left_alone(project: Project) -> None:
    file = project.folder / "salambot.toml"
    file.write_text('topology = "T7"\n')
    project.run("upgrade-config", status=2)
    assert file.read_text() == 'topology = "T7"\n'
    file.unlink()
    project.run("upgrade-config", status=2)


def test_there_is_no_console_before_up(project: Project) -> None:
    (project.folder / "salambot.toml").write_text(ALL_AUTO.replace('"auto"', str(free_port()), 1))
    done = project.run("open", status=1)
    assert "there is no console at" in done.stderr
    assert "salambot up" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("open",), ("audit", "show"), ("privacy", "export", "x"), ("webhook", "list"),
     ("webhook", "trigger", "generic")],
)  # fmt: skip
def test_before_any_start_a_port_that_is_auto_is_said_to_be_open(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert "nothing was started yet" in make_project(tmp_path).run(*words, status=1).stderr


@pytest.mark.parametrize("words", [("smoke",), ("chat", "Bonjour")])
def test_without_a_stack_one_line_says_what_to_run(tmp_path: Path, words: tuple[str, ...]) -> None:
    said = make_project(tmp_path).run(*words, status=3).stderr
    assert said.split() == ["✗", "the", "stack", "is", "not", "running", "→", "salambot", "up"]


def test_the_signing_key_can_be_rotated_before_any_start(tmp_path: Path) -> None:
    steps = make_project(tmp_path).json("secrets", "rotate", "jwt")["steps"]
    assert len(steps) == 2, "there is no gateway to wait for"
