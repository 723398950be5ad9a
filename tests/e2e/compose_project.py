"""Projects of the Compose runtime: how a test looks at their containers, beside the command itself."""

import hashlib
import os
import subprocess
from pathlib import Path

from tests.stack import Project


def rendered(project: Project) -> Path:
    """Return the folder of the rendered files."""
    return project.state / "rendered"


def project_name(project: Project, tenant: str = "demo") -> str:
    """Return the name of the Compose project: tenant and a hash of the folder."""
    return f"salambot-{tenant}-{hashlib.sha256(str(project.folder.resolve()).encode()).hexdigest()[:8]}"


def compose(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    """Run plain `docker compose` where the files are rendered: it needs no option."""
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "DOCKER_HOST"}}
    done = subprocess.run(
        ["docker", "compose", *words], cwd=rendered(project), env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def containers(project: Project) -> dict[str, str]:
    """Return the id of each container of a project, by service."""
    form = '{{.Label "com.docker.compose.service"}} {{.ID}}'
    folder = f"label=com.docker.compose.project.working_dir={rendered(project)}"
    command = ["docker", "ps", "--all", "--no-trunc", "--filter", folder, "--format", form]
    listing = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(line.split() for line in listing.stdout.splitlines())
