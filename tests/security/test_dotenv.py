"""`.env` where secrets stand: nobody else may read it, git may not take it, and what it holds must be a secret."""

import subprocess
from pathlib import Path

import pytest

from salambot_cli.config.load import load_environment
from salambot_cli.config.validate import validate
from salambot_cli.model.errors import ConfigurationError, ExitStatus
from tests.stack import make_project

SECRET = "OPENAI_API_KEY=sk-planted-in-dotenv\n"


def write(folder: Path, text: str = SECRET, mode: int = 0o600) -> Path:
    path = folder / ".env"
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal(folder: Path, **environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        validate(load_environment(folder, environ=environ))
    assert caught.value.status is ExitStatus.USAGE
    assert "sk-planted" not in caught.value.what + caught.value.why + caught.value.fix
    return caught.value


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "safe.directory=*"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def run_fix(error: ConfigurationError, folder: Path) -> None:
    subprocess.run(error.fix.split("; then")[0], shell=True, cwd=folder, check=True, capture_output=True)  # noqa: S602 - as a person would


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_others_can_read_it_and_the_fix_helps(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, mode=mode)
    error = refusal(tmp_path)
    assert error.fix == f"chmod 600 {path}"
    run_fix(error, tmp_path)
    validate(load_environment(tmp_path, environ={}))


def test_without_a_secret_its_mode_is_its_own_matter(tmp_path: Path) -> None:
    write(tmp_path, "LOG_LEVEL=DEBUG\n", 0o644)
    validate(load_environment(tmp_path, environ={}))


def test_git_does_not_ignore_it(tmp_path: Path) -> None:
    write(tmp_path)
    git(tmp_path, "init")
    error = refusal(tmp_path)
    assert ".gitignore" in error.fix
    run_fix(error, tmp_path)
    validate(load_environment(tmp_path, environ={}))


def test_git_tracks_it(tmp_path: Path) -> None:
    write(tmp_path)
    git(tmp_path, "init")
    git(tmp_path, "add", ".env")
    git(tmp_path, "commit", "-m", "oops")
    error = refusal(tmp_path)
    assert "change every secret" in error.fix
    run_fix(error, tmp_path)
    validate(load_environment(tmp_path, environ={}))


def test_init_leaves_a_project_where_dotenv_is_ignored(tmp_path: Path) -> None:
    git(tmp_path, "init")
    project = make_project(tmp_path)
    project.run("init")
    write(tmp_path)
    project.run("config", "validate")
    (tmp_path / ".env").chmod(0o644)
    assert "chmod 600" in project.run("config", "validate", status=2).stderr


CLOUD = {
    "SALAMBOT_PLACEMENT_POSTGRES": "cloud",
    "SALAMBOT_PLACEMENT_REDIS": "cloud",
    "SALAMBOT_PLACEMENT_LLM": "openai",
    "POSTGRES_URL": "postgres://salambot:c0rrect-horse@db.example/salambot?sslmode=verify-full",
    "REDIS_URL": "rediss://:c0rrect-horse@cache.example:6379",
    "OPENAI_API_KEY": "sk-real",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_URL", "postgres://postgres:postgres@db.example/salambot?sslmode=verify-full"),
        ("POSTGRES_URL", "postgres://user:Password@db.example/salambot?sslmode=verify-full"),
        ("REDIS_URL", "rediss://:changeme@cache.example:6379/0"),
        ("OPENAI_API_KEY", "sk-..."),
        ("OPENAI_API_KEY", "changeme"),
    ],
)
def test_a_default_or_example_secret_is_refused_towards_the_cloud(tmp_path: Path, name: str, value: str) -> None:
    validate(load_environment(tmp_path, environ=CLOUD))
    error = refusal(tmp_path, **CLOUD | {name: value})
    assert name in error.what
    assert value not in error.what + error.why + error.fix
