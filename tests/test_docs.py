"""What the documents point at is there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from salambot_cli.commands import COMMANDS
from salambot_cli.components import PLACEMENTS
from salambot_cli.config.load import load_environment
from salambot_cli.doctor.catalogue_page import page
from tests.command_lines import blocks, refusal, salambot_lines, without_comments

IN_FRENCH = {
    "docs/index.md": "docs/fr/index.md",
    "docs/tutorial.md": "docs/fr/tutoriel.md",
    "docs/troubleshooting.md": "docs/fr/depannage.md",
    "docs/doctor.md": "docs/fr/docteur.md",
    "docs/how-to/components.md": "docs/fr/composants.md",
    "docs/how-to/upkeep.md": "docs/fr/entretien.md",
    "docs/how-to/telemetry.md": "docs/fr/telemetrie.md",
    "docs/explanation/costs.md": "docs/fr/couts.md",
    "docs/explanation/threat-model.md": "docs/fr/menaces.md",
    "docs/security/pii.md": "docs/fr/donnees-personnelles.md",
    "docs/security/audit.md": "docs/fr/audit.md",
    "README.md": "README.fr.md",
}
"""Every other guide has the same name in French."""
IN_ENGLISH_ONLY = {"docs/architecture.md", "docs/glossary.md", "docs/scale.md"}  # and what programmers look up
ORDER = (  # of the troubleshooting of the page that this environment comes from
    *("Connectivité cloud", "Tunnel webhooks", "Observabilité", "Performance", "Sécurité et conformité"),
    *("Coûts et optimisation", "Observabilité (cloud)", "Tests de validation", "Sécurité cloud", "Coûts et quotas"),
    *("Dépannage cloud", "Nettoyage"),
)
SMOKE_REQUESTS = """\
curl -X POST http://localhost:8080/v1/generate/reply \\
  -H 'Content-Type: application/json' \\
  -H "Authorization: Bearer ${JWT_TOKEN}" \\
  -H "X-SalamBot-Tenant: demo" \\
  -d '{
    "schema_version":"1.0",
    "tenant":"demo",
    "channel":"webchat",
    "message_id":"msg_smoke",
    "correlation_id":"corr_smoke",
    "timestamp":"2025-08-14T10:00:00Z",
    "locale":"fr-MA",
    "data": {"prompt":"Bonjour SalamBot","context":[]}
  }'

curl -X POST http://localhost:8080/v1/search/query \\
  -H 'Content-Type: application/json' \\
  -H "Authorization: Bearer ${JWT_TOKEN}" \\
  -H "X-SalamBot-Tenant: demo" \\
  -d '{"query":"politique remboursement","tenant":"demo","top_k":3}'
"""
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)")


def test_every_link_between_documents_leads_somewhere(checkout: Path, tracked_files: list[str]) -> None:
    broken = [
        f"{name}: {target}"
        for name in tracked_files
        if name.endswith(".md") and "kb/" not in name
        for target in LINK.findall(re.sub(r"`[^`\n]*`", "``", (checkout / name).read_text(encoding="utf-8")))
        if not (checkout / name).parent.joinpath(target).exists()
    ]
    assert broken == []


def test_every_guide_is_there_in_french_with_the_same_commands(checkout: Path, tracked_files: list[str]) -> None:
    guides = {name for name in tracked_files if re.fullmatch(r"docs/(?!fr/|reference/|api/).*\.md|README\.md", name)}
    for name in guides - IN_ENGLISH_ONLY:
        french = checkout / IN_FRENCH.get(name, f"docs/fr/{Path(name).name}")
        assert french.exists(), f"{name} is not there in French"
        pages = ((checkout / name).read_text(encoding="utf-8"), french.read_text(encoding="utf-8"))
        english, translated = ([*map(without_comments, blocks(page))] for page in pages)
        assert translated == english, f"{french.name} runs other commands than {name}"
        assert pages[0].count("\n## ") == pages[1].count("\n## "), f"{french.name} has other parts than {name}"


def test_every_command_of_the_pages_is_one_that_salambot_takes(checkout: Path, tracked_files: list[str]) -> None:
    pages = [name for name in tracked_files if name.endswith(".md") and "kb/" not in name and name != "CHANGELOG.md"]
    refused = [
        (name, words, why)
        for name in pages
        for words in salambot_lines((checkout / name).read_text(encoding="utf-8"))
        if (why := refusal(words))
    ]
    assert refused == []


def test_the_move_of_every_component_has_its_part_and_its_line(checkout: Path) -> None:
    for name in ("docs/how-to/components.md", "docs/fr/composants.md"):
        page = (checkout / name).read_text(encoding="utf-8")
        moves = {
            pair for words in salambot_lines(page) if words[:2] == ["config", "edit-placement"] for pair in words[2:]
        }
        assert {pair.split("=")[0] for pair in moves} == set(PLACEMENTS), name
        for component, (_, *elsewhere) in PLACEMENTS.items():
            assert all(f'"{placement}"' in page for placement in elsewhere), (name, component)


def test_troubleshooting_follows_the_order_of_the_page_it_comes_from(checkout: Path) -> None:
    page = (checkout / "docs/fr/depannage.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", page, flags=re.MULTILINE)[1:] == [*ORDER]


@pytest.mark.parametrize("name", ["README.md", "README.fr.md"])
def test_the_readmes_commands_are_in_the_clone(checkout: Path, name: str) -> None:
    readme = (checkout / name).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", readme, flags=re.DOTALL))
    programs = {line.split()[0] for line in blocks.splitlines() if line}
    assert programs == {"./salambot", "./test"}
    for program in programs:
        assert (checkout / program).stat().st_mode & 0o111, f"{program} is not executable"


def test_the_site_builds_and_every_link_and_anchor_of_it_leads_somewhere(checkout: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    subprocess.run(build, cwd=checkout, check=True, timeout=300, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert (tmp_path / "site" / "reference" / "commands" / "index.html").is_file()


def test_the_page_of_the_api_has_the_requests_that_the_environment_comes_from(checkout: Path) -> None:
    for name in ("docs/how-to/api.md", "docs/fr/api.md"):
        requests = re.findall(r"```bash\n(.*?)```", (checkout / name).read_text(encoding="utf-8"), flags=re.DOTALL)
        assert SMOKE_REQUESTS in "\n".join(requests), name


def test_the_generated_pages_are_in_step_with_the_code(checkout: Path) -> None:
    subprocess.run([sys.executable, "tools/reference.py", "--check"], cwd=checkout, check=True, timeout=300)
    assert page() == (checkout / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert page("fr") == (checkout / "docs" / "fr" / "docteur.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["riad", "parcels"])
def test_an_example_project_is_whole(checkout: Path, tmp_path: Path, name: str) -> None:
    folder = checkout / "examples" / name
    documents = {path.name for path in (folder / "kb").iterdir()}
    questions = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {answer for one in questions for answer in one["answers"]} == documents, "each document has its question"
    assert any(one["answers"] == [] for one in questions)
    for config in (folder / "salambot.toml", *sorted((folder / "topologies").iterdir())):
        (tmp_path / "salambot.toml").write_bytes(config.read_bytes())
        environment = load_environment(tmp_path, environ={})
        assert environment.businesses[environment.tenant]["name"]
    pages = [(folder / page).read_text(encoding="utf-8") for page in ("README.md", "README.fr.md")]
    english, french = ([*map(without_comments, blocks(page))] for page in pages)
    assert english == french


def test_the_workflow_for_users_runs_commands_that_exist(checkout: Path) -> None:
    workflow = yaml.safe_load((checkout / "examples/github-actions/salambot.yml").read_text(encoding="utf-8"))
    steps = [step["run"] for step in workflow["jobs"]["smoke"]["steps"] if "run" in step]
    commands = [words.split() for words in steps if words.startswith("salambot ")]
    guide = (checkout / "docs/how-to/ci.md").read_text(encoding="utf-8")
    assert "salambot up --wait --json > up.json" in steps
    assert all(step in guide for step in steps if ">" in step or "--junit" in step)
    for _, name, *_ in commands:
        assert name in COMMANDS


def test_the_pre_commit_hook_refuses_a_configuration_that_is_wrong(checkout: Path, tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((checkout / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    words = [sys.executable, "-m", "salambot_cli", *hook["entry"].split()[1:]]
    environ = {**os.environ, "PYTHONPATH": str(checkout)}
    for key, status in (("tenant", 0), ("tennant", 2)):
        (tmp_path / "salambot.toml").write_text(f'{key} = "demo"\n')
        done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, timeout=300, check=False)
        assert done.returncode == status, done.stderr
