"""The command in a shell: completion with what is there, narrow and wide terminals, plain words, links."""

import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from salambot_cli.commands import COMMANDS
from tests.command_lines import command_of, examples, refusal
from tests.stack import ALL_AUTO, SECONDS, Project, command, on_a_terminal


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "salambot.toml").write_text('tenant = "atlas"\n[channels]\nmessenger = {1 = "rif"}\n')
    return Project(tmp_path)


def completed(project: Project, line: str, shell: str = "bash") -> set[str]:
    """Let the command complete a line as a shell asks it to."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - (not line.endswith(" ")))}
    fish = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": line}
    zsh = {"_TYPER_COMPLETE_ARGS": line}
    environ = {"_SALAMBOT_COMPLETE": f"complete_{shell}", **words, **fish, **zsh}
    return set(re.findall(r"[\w.=-]+", project.run(status=None, **environ).stdout))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("salambot sta", "status"),
        ("salambot config edi", "edit-placement"),
        ("salambot up ga", "gateway"),
        ("salambot logs wo", "worker"),
        ("salambot doctor rds.sto", "rds.stopped"),
        ("salambot doctor --explain net.d", "net.dns"),
        ("salambot doctor --group ho", "host"),
        ("salambot token --tenant at", "atlas"),
        ("salambot seed --tenant ri", "rif"),
        ("salambot webhook trigger wh", "whatsapp"),
        ("salambot config edit-placement vec", "vector=pinecone"),
    ],
)
def test_completion_knows_what_is_there(project: Project, shell: str, line: str, expected: str) -> None:
    assert expected in completed(project, line, shell)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (("doctor", "--explain", "rds.sto"), "rds.stopped"),
        (("config", "edit-placement", "vec"), "vector=local vector=pinecone vector=qdrant"),
        (("config", "edit-placement", "vector", "="), "local pinecone qdrant"),  # bash parts words at `=`
        (("config", "edit-placement", "vector", "=", "pi"), "pinecone"),
        (("secrets", "rotate", "post"), "postgres"),
        (("secrets", "push", "OPENAI_AP"), "OPENAI_API_KEY"),
        (("secrets", "policy", "or"), "orchestrateur"),
    ],
)
def test_bash_itself_completes_with_what_is_there(project: Project, typed: tuple[str, ...], expected: str) -> None:
    assert in_bash(project.folder, *typed) == expected


def test_the_project_of_the_line_is_the_one_whose_values_are_completed(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert in_bash(elsewhere, "--project", str(project.folder), "token", "--tenant", "at") == "atlas"


def in_bash(folder: Path, *typed: str) -> str:
    """Let a bash that has loaded the completion complete the last word; return what it offers."""
    program = folder / "bin" / "salambot"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(_SALAMBOT_COMPLETE=source_bash salambot)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        '_salambot_completion salambot; echo "${COMPREPLY[*]}"'
    )
    environ = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    words = ["bash", "-ec", script, "bash", "salambot", *typed]
    return subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout.strip()


def test_completion_stays_silent_where_the_configuration_is_broken(project: Project) -> None:
    (project.folder / "salambot.toml").write_text("tenant = [")
    assert completed(project, "salambot token --tenant at") <= {"at"}


@pytest.mark.parametrize(
    ("typed", "meant"), [("stauts", "status"), ("docter", "doctor"), ("upgrade", "upgrade-config")]
)
def test_a_mistyped_command_is_answered_by_the_one_that_was_meant(project: Project, typed: str, meant: str) -> None:
    done = project.run(typed, status=2)
    assert f"Did you mean '{meant}'?" in done.stderr
    assert "validate" in project.run("config", "valdate", status=2).stderr


@pytest.mark.parametrize("columns", [30, 60, 300])
@pytest.mark.parametrize("words", [("--help",), ("doctor", "--help"), ("doctor", "--offline", "host"), ("status",)])
def test_no_line_is_wider_than_the_terminal(
    project: Project, columns: int, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    _, screen = on_a_terminal(project, *words)
    bare = re.sub(r"\x1b\][^\x1b\a]*(\x1b\\|\a)|\x1b\[[0-9;?]*[A-Za-z]", "", screen)
    assert max(len(line.rstrip()) for line in bare.splitlines()) <= columns


def test_no_colour_means_none_and_addresses_are_links_on_a_terminal(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    _, screen = on_a_terminal(project, "status")
    assert "\x1b]8;" in screen
    assert "http://localhost:8080" in screen
    monkeypatch.setenv("NO_COLOR", "1")
    _, screen = on_a_terminal(project, "status")
    assert not re.search(r"\x1b\[3[0-9]m", screen)
    assert "\x1b" not in project.run("status", status=None).stdout


@pytest.mark.parametrize("environ", [{"SALAMBOT_PLAIN": "1"}, {"TERM": "dumb"}])
def test_plain_output_is_words_alone(
    project: Project, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for words in (("--help",), ("up", "--help"), ("stauts",), ("status",), ("doctor", "--offline", "host")):
        _, screen = on_a_terminal(project, *words)
        assert not set(screen) & set("─│╭╰●✓✗→━\x1b"), words
    assert "Usage:" in project.run("--plain", "--help").stdout


@pytest.mark.parametrize(
    "words", [("doctor", "--offline", "--json"), ("config", "show", "--json"), ("nonsense", "--json")]
)
def test_a_reader_that_leaves_is_no_error(project: Project, words: tuple[str, ...]) -> None:
    """`salambot … | head -1` with a reader that is gone before the first word."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as nobody:
        done = subprocess.run(
            command(*words),
            cwd=project.folder,
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_can_be_typed(name: str) -> None:
    command, _ = command_of([name])
    for one in getattr(command, "commands", {"": command}).values():
        typed = [shlex.split(line) for line in examples(one.help or "") if line.startswith("salambot ")]
        assert typed, one.name
        assert [refusal(words) for _, *words in typed] == [None] * len(typed)


def test_a_watched_status_is_told_again_and_again_until_interrupted(project: Project) -> None:
    (project.folder / "salambot.toml").write_text(ALL_AUTO)
    with project.start("status", "--watch", "--json-lines") as watching:
        assert watching.stdout is not None
        told = [json.loads(watching.stdout.readline())["status"] for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=SECONDS)
    assert told == ["down", "down"]
    assert watching.returncode == 130
    assert "Traceback" not in errors


def test_a_watching_doctor_sees_that_the_configuration_was_mended(project: Project) -> None:
    toml = project.folder / "salambot.toml"
    toml.write_text(f'{ALL_AUTO}[placement]\nvector = "qdrant"\n')
    with project.start("doctor", "--watch", "--json-lines", "--offline", "host") as watching:
        assert watching.stdout is not None
        told = [json.loads(watching.stdout.readline())["status"]]
        toml.write_text(ALL_AUTO)
        output, errors = watching.communicate(timeout=SECONDS)
    told += [json.loads(line)["status"] for line in output.splitlines()]
    assert (told[0], told[-1]) == ("fail", "ok"), errors
    assert watching.returncode == 0
