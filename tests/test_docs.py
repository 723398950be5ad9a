"""What the documents point at is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)")


def test_every_link_between_documents_leads_somewhere(checkout: Path, tracked_files: list[str]) -> None:
    broken = [
        f"{name}: {target}"
        for name in tracked_files
        if name.endswith(".md") and "kb/" not in name
        for target in LINK.findall((checkout / name).read_text(encoding="utf-8"))
        if not (checkout / name).parent.joinpath(target).exists()
    ]
    assert broken == []


def test_the_readmes_commands_are_in_the_clone(checkout: Path) -> None:
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", readme, flags=re.DOTALL))
    programs = {line.split()[0] for line in blocks.splitlines() if line}
    assert programs == {"./salambot", "./test"}
    for program in programs:
        assert (checkout / program).stat().st_mode & 0o111, f"{program} is not executable"


def test_the_site_builds_and_every_link_and_anchor_of_it_leads_somewhere(checkout: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    subprocess.run(build, cwd=checkout, check=True, timeout=120, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert (tmp_path / "site" / "reference" / "commands" / "index.html").is_file()


def test_the_generated_pages_are_in_step_with_the_code(checkout: Path) -> None:
    subprocess.run([sys.executable, "tools/reference.py", "--check"], cwd=checkout, check=True, timeout=60)
    page = subprocess.run(
        [sys.executable, "-m", "salambot_cli.doctor.page"], cwd=checkout, check=True, timeout=60, capture_output=True
    )
    assert page.stdout.decode() == (checkout / "docs" / "doctor.md").read_text(encoding="utf-8")
