"""Commands without a stack, with a typo, with another tool's word: one line says what to do. All in empty folders."""

from pathlib import Path

import pytest

from tests.stack import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "shop")


@pytest.mark.parametrize(
    "words",
    [("smoke",), ("seed",), ("chat", "Salam"), ("logs",), ("restart",), ("psql",), ("exec", "rag", "--", "env")],
)
def test_a_command_that_needs_a_stack_says_so_in_one_line(project: Project, words: tuple[str, ...]) -> None:
    said = project.run(*words, status=3)
    assert [line.strip() for line in said.stderr.splitlines()] == ["✗ the stack is not running", "→ salambot up"]
    assert said.stdout == ""
    assert not project.state.exists()


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("start", "up"),
        ("stop", "down"),
        ("ps", "status"),
        ("version", "--version"),
        ("help", "--help"),
        ("stats", "status"),
    ],
)
def test_a_word_of_other_tools_leads_to_the_command(project: Project, word: str, meant: str) -> None:
    assert f"Did you mean '{meant}'?" in project.run(word, status=2).stderr


def test_short_options(project: Project) -> None:
    assert project.run("-V").stdout == project.run("--version").stdout
    assert "Usage" in project.run("-h").stdout
    assert "Usage" in project.run("up", "-h").stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("up", "--topology", "T9"), "--topology"),
        (("render", "--topology", "t1,t7"), "--topology"),
        (("init", "--topology", "x"), "--topology"),
        (("token", "--scope", "foo"), "--scope"),
        (("up", "--ports", "8080"), "--ports"),
        (("restart", "gatewayy"), "gatewayy; did you mean gateway?"),
        (("exec", "ragg", "--", "env"), "ragg; did you mean rag?"),
        (("exec", "rag"), "exec needs a command"),
    ],
)
def test_what_is_wrong_is_named_once(project: Project, words: tuple[str, ...], named: str) -> None:
    said = project.run(*words, status=2).stderr
    assert said.replace("\n", " ").count(named) == 1, said


def test_a_project_that_is_not_there_is_an_error(project: Project) -> None:
    assert "there is no project" in project.run("--project", str(project.folder / "nope"), "status", status=2).stderr
    project.run("--project", str(project.folder / "new"), "init", "--yes")


def test_status_tells_scripts_whether_all_is_well(project: Project) -> None:
    project.run("status", "--exit-code", status=1)
    project.run("status")


def test_init_again_asks_nothing_and_says_what_is_there(project: Project) -> None:
    said = project.run("init").stderr
    assert "salambot.toml already" in said


def test_all_ports_are_free_ones(project: Project) -> None:
    (project.folder / "salambot.toml").write_text('runtime = "process"\n')
    assert project.json("up", "--ports", "auto", "--dry-run")["status"] == "planned"
