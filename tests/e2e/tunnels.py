"""How a test looks at the tunnel of a project, and waits until the gateway follows it."""

import json
import time

import psutil

from tests.stack import Project


def public_url_of(project: Project) -> str:
    """Return the public URL that the keeper of the tunnel has noted, once the gateway knows it."""
    return str(json.loads((project.state / "state.json").read_text())["public_url"])


def program_of(project: Project) -> psutil.Process:
    """Return the running cloudflared."""
    return next(process for process in project.processes() if process.cmdline()[1].endswith("/cloudflared"))


def until_url_is_other_than(project: Project, before: str) -> str:
    """Wait until the gateway knows another public URL; return it."""
    deadline = time.monotonic() + 90
    while (url := public_url_of(project)) == before:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return url
