"""A Compose project through python-on-whales, whose long calls get a time limit here and can be cancelled."""

import os
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from salambot_cli.docker.command_line import (
    QUICK_SECONDS,
    DockerError,
    DockerResult,
    docker_environment,
    end_docker,
    last_lines,
    run_docker,
    spawn_docker,
)
from salambot_cli.host.subprocesses import Hear, StreamedResult, run_streaming

if TYPE_CHECKING:
    from python_on_whales import DockerClient

_UP_SECONDS = 600
_BUILD_SECONDS = 1800
_SHOWN_COLUMNS = 160
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclass(frozen=True, slots=True)
class Project:
    """A Compose project: its name, and the folder of its rendered files."""

    name: str
    folder: Path
    files: tuple[str, ...] = ("docker-compose.yml", "docker-compose.override.yml")
    profiles: tuple[str, ...] = ()

    def client(self) -> "DockerClient":
        """Return a python-on-whales client for this project."""
        from python_on_whales import DockerClient

        return DockerClient(
            compose_files=[self.folder / name for name in self.files],
            compose_profiles=list(self.profiles),
            compose_env_files=[self.folder / ".env"],
            compose_project_name=self.name,
            compose_project_directory=self.folder,
        )

    def _command(self, *arguments: str) -> list[str]:
        return [*(str(part) for part in self.client().client_config.docker_compose_cmd), *arguments]

    async def build(self, service: str) -> None:
        """Build the image of a service. Raises DockerError with the lines of the step that failed."""
        ended = await run_docker(self._command("build", service), _BUILD_SECONDS)
        if ended.status != 0:
            why = _failed_build(ended)
            whole = f"cd {self.folder} && docker compose --progress plain build {service}  # all that it says"
            fix = "docker system df; docker builder prune" if "no space left" in why else whole
            raise DockerError("the image cannot be built", why, fix)

    async def up(self, services: Sequence[str], *, recreate: bool = False) -> None:
        """Create or recreate some containers at once, and start them. Does not wait for their health."""
        options = ["--detach", "--no-deps", "--no-build", "--quiet-pull", *(["--force-recreate"] if recreate else [])]
        ended = await run_docker(self._command("up", *options, *services), _UP_SECONDS)
        if ended.status != 0:
            raise _not_started(services, ended.errors)

    async def services(self) -> set[str]:
        """Return the services that the files define with the profiles of this environment."""
        ended = await run_docker(self._command("config", "--services"), QUICK_SECONDS)
        if ended.status != 0:
            why = last_lines(ended.errors, 4)
            raise DockerError("Compose does not read the files", why, "salambot render --diff")
        return set(ended.output.split())

    async def restart(self, service: str) -> None:
        """Stop and start the process of a container. Raises DockerError."""
        ended = await run_docker(self._command("restart", service), _UP_SECONDS)
        if ended.status != 0:
            raise _not_started([service], ended.errors)

    async def remove(self, *services: str) -> None:
        """Stop and remove the containers of some services."""
        await run_docker(self._command("rm", "--stop", "--force", *services), _UP_SECONDS)

    async def execute(
        self, service: str, argv: tuple[str, ...], hear: Hear, *, stdin: str | None, silence_s: float
    ) -> StreamedResult:
        """Run a command in a running container, without a terminal; closing its standard input is passed on."""
        command = self._command("exec", "-T", service, *argv)
        return await run_streaming(command, docker_environment(os.environ), hear, stdin=stdin, silence_s=silence_s)

    def command_inside(
        self, service: str, argv: tuple[str, ...], *, terminal: bool
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the words, and the environment, of a command in a running container for a person at a terminal."""
        words = self._command("exec", *([] if terminal else ["-T"]), service, *argv)
        return tuple(words), docker_environment(os.environ)

    async def last_lines(self, service: str, count: int = 20) -> tuple[str, ...]:
        """Return the last log lines of one service."""
        command = self._command("logs", "--no-color", "--no-log-prefix", "--tail", str(count), service)
        ended = await run_docker(command, QUICK_SECONDS)
        return tuple(line for line in _plain(ended.output).splitlines() if line.strip())[-count:]

    async def log_lines(self, sources: tuple[str, ...], *, since: str | None, follow: bool) -> AsyncIterator[str]:
        """Yield raw log lines: `service-1  | 2026-01-05T09:12:44.120123456Z text`."""
        options = [*(["--since", since] if since else []), *(["--follow"] if follow else [])]
        process = await spawn_docker(self._command("logs", "--no-color", "--timestamps", *options, *sources))
        try:
            if process.stdout is not None:
                async for line in process.stdout:
                    yield _plain(line.decode(errors="replace")).rstrip("\n")
        finally:
            await end_docker(process)


def _plain(text: str) -> str:
    """Leave out terminal controls (ECMA-48 CSI): Compose clears the line even where there is no terminal."""
    return _CONTROLS.sub("", text)


def _not_started(services: Sequence[str], errors: str) -> DockerError:
    """Blame the services named in the engine's last lines, or else all requested ones."""
    why = last_lines("\n".join(line for line in errors.splitlines() if "rror" in line) or errors, 4)
    blamed = [name for name in services if re.search(rf"\b{name}\b", why)] or list(services)
    return DockerError(f"{', '.join(blamed)} cannot be started", why, f"salambot logs {blamed[0]}")


def _shortened(line: str) -> str:
    """Shorten the middle of a long line: the command is at its start, the error at its end."""
    half = _SHOWN_COLUMNS // 2
    return line if len(line) <= _SHOWN_COLUMNS else f"{line[:half]} … {line[-half:]}"


def _failed_build(ended: DockerResult) -> str:
    """Pick the lines of the step that failed: BuildKit repeats them between dashes, or prints `ERROR`."""
    lines = [_shortened(line.rstrip()) for line in (ended.output + ended.errors).splitlines() if line.strip()]
    rules = [index for index, line in enumerate(lines) if line.startswith("------")]
    if len(rules) >= 2:
        return "\n".join(lines[rules[-2] + 1 : rules[-1]][-12:] + lines[rules[-1] + 1 :][-2:])
    return "\n".join([line for line in lines if "error" in line.lower()][-6:] or lines[-6:])
