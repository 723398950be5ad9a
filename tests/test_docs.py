"""What the documents point at is there."""

import re
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
