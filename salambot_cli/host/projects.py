"""Which SalamBot project a process of this machine belongs to."""

import contextlib
from pathlib import Path

from salambot_cli.docker.command_line import DockerError, run_docker_capture
from salambot_cli.host.ports import PortHolder

SUPERVISOR_MODULES = ("salambot_cli.stack.supervisor", "salambot_cli.runtimes.supervisor")
"""The supervisor's module, the present name first: a stack of an earlier release runs under its own."""
SERVER_MODULES = ("salambot.http.server", "salambot.serve")
"""The module that serves a service, likewise."""
_FOLDER_LABEL = "com.docker.compose.project.working_dir"


async def project_of(holder: PortHolder) -> Path | None:
    """Return the folder of the project whose stack holds a port; None where it is something else."""
    if holder.pid is not None and (found := _supervised_by(holder.pid)) is not None:
        return found
    if holder.command and "docker" not in holder.command:
        return None
    with contextlib.suppress(DockerError):
        said = await run_docker_capture(
            "ps", "--filter", f"publish={holder.port}", "--format", f'{{{{.Label "{_FOLDER_LABEL}"}}}}'
        )
        folder = Path(said.rstrip("\n"))
        if folder.name == "rendered" and folder.parent.name == ".salambot":
            return folder.parent.parent
    return None


def _supervised_by(pid: int) -> Path | None:
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.parents()):
            words = one.cmdline()
            for at, word in enumerate(words[:-1]):
                if word in SUPERVISOR_MODULES:
                    return Path(words[at + 1]).parent
    return None
