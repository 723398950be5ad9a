"""Markers such as `docker` and `nginx`: where a machine lacks what they name a test is skipped, with the reason.

On CI that fails.
"""

import os
import shutil
import subprocess
from functools import cache

import pytest


@cache
def _missing_docker() -> str | None:
    for command in (["docker", "version", "--format", "{{.Server.Version}}"], ["docker", "compose", "version"]):
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except FileNotFoundError:
            return "no docker command"
        except subprocess.TimeoutExpired:
            return "the Docker engine does not answer within 30 s"
        if answer.returncode:
            return (answer.stderr.strip().splitlines() or ["docker refuses"])[-1]
    return None


@cache
def _missing_browser() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return None if any(map(shutil.which, names)) else "no chromium on PATH"


@cache
def _missing_prometheus() -> str | None:
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    return f"no {' and no '.join(missing)} on PATH (Debian's package prometheus)" if missing else None


@cache
def _missing_nginx() -> str | None:
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return None if found else "no nginx (Debian's package nginx-light)"


@cache
def _missing_pgbouncer() -> str | None:
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return None if found else "no pgbouncer (Debian's package pgbouncer)"


_NEEDS = {
    "docker": _missing_docker,
    "browser": _missing_browser,
    "prometheus": _missing_prometheus,
    "nginx": _missing_nginx,
    "pgbouncer": _missing_pgbouncer,
}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail on CI, what this machine cannot run."""
    for name, missing in _NEEDS.items():
        why = missing() if item.get_closest_marker(name) else None
        if why and os.environ.get("CI") == "true":
            pytest.fail(f"needs {name}, which CI has to have: {why}", pytrace=False)
        if why:
            pytest.skip(f"needs {name}: {why}")
