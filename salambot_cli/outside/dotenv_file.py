"""Who else gets to see `.env`: other users of this machine, and everybody who clones the repository."""

import subprocess
from pathlib import Path

_GIT_SECONDS = 10


def exposure(path: Path) -> tuple[str, str] | None:
    """Say how a file with secrets is exposed, and the command that ends it; None when it is not."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return f"its mode is {mode:04o}: other users of this machine can read it", f"chmod 600 {path}"
    if not any((folder / ".git").exists() for folder in path.parents):
        return None
    if _git(path, "ls-files", "--error-unmatch") == 0:
        fix = f"git rm --cached {path.name} && echo {path.name} >> .gitignore; then change every secret in it"
        return "git tracks it: its secrets are in the repository", fix
    if _git(path, "check-ignore", "--quiet") == 1:
        return (
            "git does not ignore it: the next `git add` takes it",
            f"echo {path.name} >> {path.parent / '.gitignore'}",
        )
    return None


def _git(path: Path, *words: str) -> int:
    """Return git's status; 127 where there is no git that could take the file."""
    command = ["git", "-c", "safe.directory=*", *words, "--", path.name]
    try:
        done = subprocess.run(command, cwd=path.parent, capture_output=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 127
    return done.returncode
