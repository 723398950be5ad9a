"""The commit that a clone stands at, read from its files: `--version` starts no program for it."""

from pathlib import Path

from salambot_cli import __version__

_SHORT = 7
_ROOT = Path(__file__).resolve().parents[2]


def version_line(root: Path = _ROOT) -> str:
    """Return the version, in a clone with its commit: `0.2.0 (1a2b3c4)`."""
    try:
        commit = _commit(root / ".git")
    except (OSError, UnicodeDecodeError):
        commit = ""
    return f"{__version__} ({commit[:_SHORT]})" if commit else __version__


def _commit(git: Path) -> str:
    if git.is_file():  # a second working tree names its folder
        git = git.parent / git.read_text().removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return head
    reference = head.removeprefix("ref: ")
    common = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
    if (common / reference).is_file():
        return (common / reference).read_text().strip()
    packed = (common / "packed-refs").read_text().splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {reference}")), "")
