"""`salambot render`: writes, compares, and never loses what somebody edited."""

from pathlib import Path

import pytest

from tests.stack import Project

T1 = """POSTGRES_URL=postgres://u:sentinel-pg@db.example/salambot?sslmode=verify-full
REDIS_URL=rediss://:sentinel-redis@cache.example:6379
PINECONE_API_KEY=sentinel-pinecone
PINECONE_INDEX=salambot-kb
AWS_REGION=eu-west-1
AWS_ACCESS_KEY_ID=AKIAEXAMPLE
AWS_SECRET_ACCESS_KEY=sentinel-aws
S3_BUCKET=salambot-kb
OTEL_EXPORTER_OTLP_ENDPOINT=https://otlp.example
OPENAI_API_KEY=sentinel-openai
"""
FILES = {".env", "docker-compose.yml", "docker-compose.override.yml"}
pytestmark = pytest.mark.docker


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "salambot.toml").write_text('[ports]\ngateway = "auto"\n')
    return Project(tmp_path)


def test_drift_is_seen_and_written_away(project: Project) -> None:
    assert project.json("render", "--check", status=1)["status"] == "drift"
    assert set(project.json("render")["files"]) == FILES
    assert project.json("render", "--check")["changes"] == []
    assert project.json("render", "--check", status=1, LOG_LEVEL="DEBUG")["status"] == "drift"
    for name in FILES:
        assert (project.state / "rendered" / name).stat().st_mode & 0o777 == 0o600


def test_an_edited_file_is_kept_beside_the_new_one(project: Project) -> None:
    project.run("render")
    override = project.state / "rendered" / "docker-compose.override.yml"
    edited = override.read_text() + "# mine\n"
    override.write_text(edited)
    document = project.json("render")
    (change,) = [change for change in document["changes"] if change["edited_by_hand"]]
    assert "-# mine" in change["diff"]
    assert Path(document["kept"][0]).read_text() == edited


def test_another_folder_also_gets_the_example(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert set(project.json("render", "--output", str(out))["files"]) == FILES | {".env.cloud-local.example"}
    assert (out / ".env.cloud-local.example").read_text().startswith("# Copy to .env")


@pytest.mark.parametrize(("port", "name"), [(4318, "lgtm"), (4319, "collector")])
def test_containers_reach_a_receiver_of_the_compose_file_by_its_name(project: Project, port: int, name: str) -> None:
    toml = project.folder / "salambot.toml"
    toml.write_text(f'allow_insecure = ["telemetry"]\n[placement]\ntelemetry = "otlp"\n{toml.read_text()}')
    project.run("render", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
    rendered = (project.state / "rendered" / ".env").read_text()
    assert f'OTEL_EXPORTER_OTLP_ENDPOINT="http://{name}:4318"' in rendered


def test_missing_variables_are_one_error(project: Project) -> None:
    said = project.run("render", "--topology", "t1", status=2).stderr
    for name in ("POSTGRES_URL", "REDIS_URL", "PINECONE_API_KEY", "S3_BUCKET", "OPENAI_API_KEY"):
        assert name in said


def test_no_secret_is_rendered_or_shown_with_secrets_in_aws(project: Project) -> None:
    env = project.folder / ".env"
    env.touch(mode=0o600)
    env.write_text(T1)
    said = project.run("render", "--diff", "--topology", "t1,t3")
    written = project.run("render", "--topology", "t1,t3")
    texts = [said.stdout, said.stderr, written.stdout, written.stderr]
    texts += [path.read_text() for path in (project.state / "rendered").iterdir() if path.is_file()]
    assert not any("sentinel" in text for text in texts)


def test_a_difference_masks_secrets(project: Project) -> None:
    env = project.folder / ".env"
    env.touch(mode=0o600)
    env.write_text(T1)
    project.run("render", "--topology", "t1")
    said = project.run("render", "--diff", "--topology", "t1", OPENAI_API_KEY="sentinel-another")
    assert "OPENAI_API_KEY=•••••• (changed)" in said.stdout
    assert "sentinel" not in said.stdout + said.stderr


def test_no_engine_is_needed(project: Project) -> None:
    assert set(project.json("render", DOCKER_HOST="unix:///nobody/listens.sock")["files"]) == FILES
