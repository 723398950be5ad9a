"""`[[doctor.check]]`: a project's own checks run with the others, and name their remedy."""

from pathlib import Path

import pytest

from salambot_cli.config.load import load_environment
from salambot_cli.doctor.diagnose import diagnose
from salambot_cli.model.errors import ConfigurationError
from tests.doctor.wires import LOOPBACK, answers, closed_port, http

CHECK = '[[doctor.check]]\nname = "crm"\nremedy = "Ask the CRM team."\n'


async def found(folder: Path, lines: str) -> tuple[str, str]:
    (folder / "salambot.toml").write_text(f"{CHECK}{lines}\n")
    report = await diagnose(load_environment(folder, environ={}), checks=("project.crm",))
    (finding,) = [f for f in report.findings if f.check == "project.crm"]
    assert finding.status == "ok" or (finding.remedy and finding.remedy.text == "Ask the CRM team.")
    return finding.id, finding.title


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ('command = ["true"]', "project.crm"),
        ('command = ["false"]', "project.check-failed.crm"),
        ('command = ["false"]\nstatus = 1', "project.crm"),
        ('command = ["echo", "all is well"]\ncontains = "well"', "project.crm"),
        ('command = ["echo", "$HOME; false"]\ncontains = "$HOME; false"', "project.crm"),
        ('command = ["echo", "no"]\ncontains = "well"', "project.check-failed.crm"),
        ('command = ["no-such-program-here"]', "project.check-failed.crm"),
    ],
)
async def test_a_check_compares_what_it_gets(tmp_path: Path, lines: str, name: str) -> None:
    assert (await found(tmp_path, lines))[0] == name


async def test_a_url_where_nothing_answers_fails(tmp_path: Path) -> None:
    url = f'url = "http://{LOOPBACK}:{closed_port()}/health"'
    assert (await found(tmp_path, url))[0] == "project.check-failed.crm"


@pytest.mark.parametrize(("status", "name"), [(200, "project.crm"), (401, "project.check-failed.crm")])
async def test_a_url_is_asked(tmp_path: Path, status: int, name: str) -> None:
    async with http(answers(status, {"status": "ok"})) as port:
        result = await found(tmp_path, f'url = "http://{LOOPBACK}:{port}/health"\ncontains = "ok"')

    assert result[0] == name


@pytest.mark.parametrize("lines", ["", 'url = "https://a.example"\ncommand = ["true"]', "command = []"])
def test_a_check_asks_one_question(tmp_path: Path, lines: str) -> None:
    (tmp_path / "salambot.toml").write_text(f"{CHECK}{lines}\n")

    with pytest.raises(ConfigurationError):
        load_environment(tmp_path, environ={})
