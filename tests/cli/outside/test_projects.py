"""A SalamBot process is recognised by its command line, also one of an earlier release."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from salambot_cli.host.ports import PortHolder
from salambot_cli.host.projects import SUPERVISOR_MODULES, project_of


@pytest.mark.parametrize("module", SUPERVISOR_MODULES)
def test_a_supervisor_names_its_project(tmp_path: Path, module: str) -> None:
    folder = tmp_path / "Boutique d'été" / ".salambot"
    code = "import sys; print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, "-m", module, str(folder), "socket"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert asyncio.run(project_of(PortHolder(8080, process.pid, "python"))) == folder.parent
        process.communicate()
