"""Help pages: what each shows is kept in tests/cli/help, in both languages."""

import re
from pathlib import Path

import pytest

from salambot_cli.commands import COMMANDS, GROUPS
from salambot_cli.terminal.i18n import LANGUAGES, translated_lines
from tools import help_pages

NOISE = re.compile(r"<\w+>|\[\[|\]\.\.\.\]|--(?:install|show)-completion")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_help_page_is_the_one_that_was_read(language: str) -> None:
    kept = (help_pages.PAGES / f"{language}.txt").read_text(encoding="utf-8")
    assert help_pages.pages(language) == kept, "read the change, then: python -m tools.help_pages"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_help_page_describes_then_shows_and_is_free_of_noise(language: str) -> None:
    first, *pages = re.split(r"^\$ salambot ", (help_pages.PAGES / f"{language}.txt").read_text(), flags=re.MULTILINE)[
        1:
    ]
    told = (lambda text: text) if language == "en" else (lambda text: translated_lines(text, language))
    for group, commands in GROUPS.items():
        assert f"─ {told(group)} ─" in first
        for name, line in commands.items():
            assert re.search(rf"^│ {name} +{re.escape(told(line))} +│$", first, re.MULTILINE)
    for page in pages:
        usage, described = page.splitlines()[2], page.splitlines()[4]
        assert not NOISE.search(page), usage
        assert not re.match(r" *Ex[ae]mples? ?:", described), usage


def test_the_reference_keeps_every_example_inside_its_fence(checkout: Path) -> None:
    page = (checkout / "docs/reference/commands.md").read_text(encoding="utf-8")
    outside = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(rf"^salambot (?:{'|'.join(COMMANDS)})\b.*", outside, flags=re.MULTILINE)
