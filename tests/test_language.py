"""People read their own language; programs read the same whatever the language is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_cli.terminal.i18n import choose_language, translated_lines
from tests.stack import ALL_AUTO
from tools.messages import faults, messages


def run(*words: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a language."""
    kept = {name: value for name, value in os.environ.items() if name not in {"LANG", "LC_ALL", "LC_MESSAGES"}}
    return subprocess.run(
        [sys.executable, "-m", "salambot_cli", *words],
        capture_output=True,
        text=True,
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
        cwd=cwd,
        timeout=120,
        check=False,
    )


def test_every_message_is_translated_and_no_catalogue_is_stale() -> None:
    assert [*faults()] == []  # `python tools/messages.py` brings the catalogues up to date


@pytest.mark.parametrize(
    ("words", "environ", "language"),
    [
        ([], {}, "en"),
        ([], {"LANG": "fr_MA.UTF-8"}, "fr"),
        ([], {"LANG": "fr_MA.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ([], {"LANG": "fr_MA.UTF-8", "SALAMBOT_LANG": "en"}, "en"),
        (["up", "--lang", "fr"], {"SALAMBOT_LANG": "en"}, "fr"),
        (["--lang=fr-MA", "up"], {}, "fr"),
        (["chat", "--", "--lang", "fr"], {}, "en"),
        ([], {"LANG": "ar_MA.UTF-8"}, "en"),
    ],
)
def test_the_option_beats_the_variable_and_that_the_locale(
    words: list[str], environ: dict[str, str], language: str
) -> None:
    assert choose_language(words, environ) == language


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("RDS instance shop-db is stopped", "L'instance RDS shop-db est stopped"),
        ("db.example:5432 does not answer (POSTGRES_URL)", "db.example:5432 ne répond pas (POSTGRES_URL)"),
        (
            'placement/vector: should be one of local, pinecone, not "pine"',
            'placement/vector : devrait être l\'un de local, pinecone, pas "pine"',
        ),
        (
            "POSTGRES_URL: postgres = cloud needs it; read from x\nS3_BUCKET: objects = s3 needs it; read from y",
            "POSTGRES_URL : postgres = cloud en a besoin ; lu dans x\nS3_BUCKET : objects = s3 en a besoin ; lu dans y",
        ),
        (
            "without verified TLS, a cloud placement is refused: A",
            "sans TLS vérifié, un placement cloud est refusé : A",
        ),
        ("44 seen, 0 added", "44 vus, 0 ajoutés"),
        ("what nobody ever says to people", "what nobody ever says to people"),
    ],
)
def test_a_message_that_was_filled_in_is_found_by_its_template(english: str, french: str) -> None:
    assert translated_lines(english, "fr") == french


@given(st.text())
def test_any_text_can_be_said(text: str) -> None:
    assert isinstance(translated_lines(text, "fr"), str)


def test_help_mistakes_and_errors_are_french_under_a_moroccan_locale(tmp_path: Path) -> None:
    helped = run("webhook", "trigger", "--help", cwd=tmp_path, LANG="fr_MA.UTF-8")
    assert "Exemples" in helped.stdout
    assert "Ce que le client écrit" in helped.stdout
    assert "Montrer ce message" in helped.stdout
    mistyped = run("stauts", cwd=tmp_path, LANG="fr_MA.UTF-8")
    assert mistyped.returncode == 2
    assert "Vouliez-vous dire « status » ?" in mistyped.stderr
    named_like_a_word = run("upp", cwd=tmp_path, LANG="fr_MA.UTF-8")
    assert "Vouliez-vous dire « up » ?" in named_like_a_word.stderr
    (tmp_path / "salambot.toml").write_text('[placement]\nvector = "pinecon"\n')
    wrong = run("config", "validate", cwd=tmp_path, LANG="fr_MA.UTF-8")
    assert wrong.returncode == 2
    assert "n'est pas valide" in wrong.stderr


def test_a_state_is_said_in_french_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "salambot.toml").write_text(ALL_AUTO)
    said = run("status", cwd=tmp_path, LANG="fr_MA.UTF-8")
    assert "à terre  → salambot up" in said.stderr
    assert "down" not in said.stdout + said.stderr


def test_the_headings_of_a_table_are_messages(tmp_path: Path) -> None:
    code = tmp_path / "table.py"
    code.write_text('Table("component", box=None)\ntable.add_column("step", justify="right")\ntable.add_row("word")\n')
    assert [text for _, text in messages(code)] == ["component", "step"]


def test_a_language_that_is_not_spoken_is_a_usage_error(tmp_path: Path) -> None:
    assert run("--lang", "de", "status", cwd=tmp_path).returncode == 2


def test_the_doctor_speaks_french_and_its_json_does_not(tmp_path: Path) -> None:
    (tmp_path / "salambot.toml").write_text('[placement]\nvector = "qdrant"\n')
    french = run("doctor", "--offline", "host", cwd=tmp_path, LANG="fr_MA.UTF-8")
    assert "Pas défini : QDRANT_API_KEY, QDRANT_URL" in french.stdout or "Pas défini" in french.stdout
    assert french.returncode == 1
    documents = [
        json.loads(run("doctor", "--offline", "host", "--json", cwd=tmp_path, LANG=language).stdout)
        for language in ("fr_MA.UTF-8", "C.UTF-8")
    ]
    said = [[(f["id"], f["status"], f["title"], f["remedy"]) for f in document["findings"]] for document in documents]
    assert said[0] == said[1]
