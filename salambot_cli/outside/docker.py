"""Docker and Compose through python-on-whales, whose long calls get a time limit here and can be cancelled."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.variables import is_known
from salambot_cli.outside.attached import Followed, Hear, follow

if TYPE_CHECKING:
    from python_on_whales import Container as WhalesContainer
    from python_on_whales import DockerClient

LABEL_PROJECT = "com.docker.compose.project"
_QUICK_SECONDS = 30
_UP_SECONDS = 600
_BUILD_SECONDS = 1800
_GRACE_SECONDS = 10
_LINE_BYTES = 1024 * 1024
_SHOWN_COLUMNS = 160
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
T = TypeVar("T")
Phase = Literal["created", "running", "restarting", "exited", "dead", "paused", "removing"]


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a project as the engine sees it. `health` is None where no health check is defined."""

    id: str
    service: str
    phase: str
    exit_code: int
    health: str | None
    pid: int | None
    started: datetime | None
    labels: Mapping[str, str]
    out_of_memory: bool = False

    @property
    def is_ready(self) -> bool:
        """Healthy; or, without a health check, running, or ended well."""
        if self.health is not None:
            return self.phase == "running" and self.health == "healthy"
        return self.phase == "running" or (self.phase == "exited" and self.exit_code == 0 and self.started is not None)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child process ended."""

    status: int
    output: str
    errors: str


class DockerError(SalamBotError):
    """The engine or Compose refused; the lines that say why, never the command line."""


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

    async def up(self, service: str, *, recreate: bool = False) -> None:
        """Create or recreate one container, and start it. Does not wait for its health."""
        options = ["--detach", "--no-deps", "--no-build", "--quiet-pull", *(["--force-recreate"] if recreate else [])]
        ended = await run_docker(self._command("up", *options, service), _UP_SECONDS)
        if ended.status != 0:
            raise DockerError(f"{service} cannot be started", _last_lines(ended.errors, 4), f"salambot logs {service}")

    async def services(self) -> set[str]:
        """Return the services that the files define with the profiles of this environment."""
        ended = await run_docker(self._command("config", "--services"), _QUICK_SECONDS)
        if ended.status != 0:
            why = _last_lines(ended.errors, 4)
            raise DockerError("Compose does not read the files", why, "salambot render --diff")
        return set(ended.output.split())

    async def remove(self, *services: str) -> None:
        """Stop and remove the containers of some services."""
        await run_docker(self._command("rm", "--stop", "--force", *services), _UP_SECONDS)

    async def execute(
        self, service: str, argv: tuple[str, ...], hear: Hear, *, stdin: str | None, silence_s: float
    ) -> Followed:
        """Run a command inside a running container, without a terminal; the end of its standard input reaches it."""
        command = self._command("exec", "-T", service, *argv)
        return await follow(command, docker_environment(os.environ), hear, stdin=stdin, silence_s=silence_s)

    async def last_lines(self, service: str, count: int = 20) -> tuple[str, ...]:
        """Return the last log lines of one service."""
        command = self._command("logs", "--no-color", "--no-log-prefix", "--tail", str(count), service)
        ended = await run_docker(command, _QUICK_SECONDS)
        return tuple(line for line in _plain(ended.output).splitlines() if line.strip())[-count:]

    async def log_lines(self, sources: tuple[str, ...], *, since: str | None, follow: bool) -> AsyncIterator[str]:
        """Yield raw log lines: `service-1  | 2026-01-05T09:12:44.120123456Z text`."""
        options = [*(["--since", since] if since else []), *(["--follow"] if follow else [])]
        process = await _spawn(self._command("logs", "--no-color", "--timestamps", *options, *sources))
        try:
            if process.stdout is not None:
                async for line in process.stdout:
                    yield _plain(line.decode(errors="replace")).rstrip("\n")
        finally:
            await _end(process)


async def containers(project: str) -> dict[str, Container]:
    """Return the containers of a project by service, found by their labels: no file is needed for that."""
    return {found.service: found for found in await _in_thread(lambda: _containers(project))}


def _containers(project: str) -> list[Container]:
    from python_on_whales import DockerClient, DockerException

    client = DockerClient()
    found = client.container.list(all=True, filters=[("label", f"{LABEL_PROJECT}={project}")])
    if not found:
        return []
    try:
        # One call for all: each attribute of a listed container would cost a process of its own.
        return [_seen(container) for container in client.container.inspect([each.id for each in found])]
    except DockerException:
        # One was removed between the two calls.
        return [_seen(each) for each in found if each.exists()]


def _seen(container: "WhalesContainer") -> Container:
    state, labels = container.state, container.config.labels or {}
    started = state.started_at if state.started_at and state.started_at.year > 1 else None
    return Container(
        id=container.id,
        service=labels.get("com.docker.compose.service", container.name),
        phase=state.status or "dead",
        exit_code=state.exit_code or 0,
        health=state.health.status if state.health else None,
        pid=state.pid or None,
        started=started,
        labels=labels,
        out_of_memory=bool(state.oom_killed),
    )


async def has_volumes(project: str) -> bool:
    """Tell whether a project has data."""
    return bool(await _in_thread(lambda: _client().volume.list(filters=[("label", f"{LABEL_PROJECT}={project}")])))


async def remove_project(name: str, *, volumes: bool) -> list[str]:
    """Remove everything that carries a project's label, whatever version made it; return the services that ran."""
    return await _in_thread(lambda: _remove_project(name, volumes=volumes))


def _remove_project(name: str, *, volumes: bool) -> list[str]:
    from python_on_whales import DockerClient

    client = DockerClient()
    label = f"{LABEL_PROJECT}={name}"
    found = client.container.list(all=True, filters=[("label", label)])
    names = [(each.config.labels or {}).get("com.docker.compose.service", each.name) for each in found]
    _remove_containers([each.id for each in found])
    for network in client.network.list(filters=[("label", label)]):
        client.network.remove(network)
    if volumes:
        client.volume.remove([*client.volume.list(filters=[("label", label)])])
    return sorted(names)


async def remove_containers(ids: list[str]) -> None:
    """Stop and remove containers, their anonymous volumes too."""
    await _in_thread(lambda: _remove_containers(ids))


def _remove_containers(ids: list[str]) -> None:
    if ids:
        _client().container.stop(ids, time=_GRACE_SECONDS)
        _client().container.remove(ids, force=True, volumes=True)


async def image_exists(tag: str) -> bool:
    """Tell whether the engine has an image."""
    return await _in_thread(lambda: _client().image.exists(tag))


async def remove_images(label: str) -> list[str]:
    """Remove the images with a label that no container uses; return their tags."""
    return await _in_thread(lambda: _remove_images(label))


def _remove_images(label: str) -> list[str]:
    from python_on_whales import DockerException

    removed = []
    for image in _client().image.list(filters=[("label", label)]):
        with contextlib.suppress(DockerException):  # in use by another environment
            tags = image.repo_tags
            image.remove()
            removed.extend(tags)
    return removed


def _client() -> "DockerClient":
    from python_on_whales import DockerClient

    return DockerClient()


async def _in_thread(call: Callable[[], T]) -> T:
    """Run a short python-on-whales call with a time limit. Its error, which holds the command line, becomes ours."""
    from python_on_whales import ClientNotFoundError, DockerException

    try:
        return await asyncio.wait_for(asyncio.to_thread(call), _QUICK_SECONDS)
    except DockerException as error:
        raise engine_error(error.stderr or "") from None
    except ClientNotFoundError:
        raise engine_error("docker is not on PATH") from None
    except TimeoutError:
        raise engine_error(f"no answer within {_QUICK_SECONDS} s") from None


def engine_error(errors: str) -> DockerError:
    """Say that the engine did not do what it was asked, in its own last words."""
    return DockerError("the Docker engine did not answer", _last_lines(errors, 2), "sudo systemctl start docker")


async def run_docker(command: list[str], seconds: float) -> Ended:
    """Run one docker command to its end. Cancelled, it is asked to end, then made to.

    Raises:
        DockerError: the time is up.
    """
    process = await _spawn(command)
    try:
        output, errors = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        raise DockerError(f"docker took longer than {seconds:.0f} s", "", "docker ps; docker info") from None
    finally:
        await _end(process)
    return Ended(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


async def _spawn(command: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=docker_environment(os.environ),
        limit=_LINE_BYTES,
        # A Ctrl-C in the terminal comes to us alone: we decide what docker is told, and in which order.
        start_new_session=True,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def docker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out the variables of an environment: Compose prefers them to the rendered `.env`."""
    hidden = {"ENV", "TENANT", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    kept = {
        name: value
        for name, value in environ.items()
        if name not in hidden and not is_known(name) and not name.startswith("COMPOSE_")
    }
    return kept | {"BUILDKIT_PROGRESS": "plain"}


def _plain(text: str) -> str:
    """Leave out terminal controls (ECMA-48 CSI): Compose clears the line even where there is no terminal."""
    return _CONTROLS.sub("", text)


def _last_lines(text: str, count: int) -> str:
    return "\n".join([line.strip() for line in text.splitlines() if line.strip()][-count:])


def _shortened(line: str) -> str:
    """Leave out the middle of a long line: a command stands there, and how it ended stands last."""
    half = _SHOWN_COLUMNS // 2
    return line if len(line) <= _SHOWN_COLUMNS else f"{line[:half]} … {line[-half:]}"


def _failed_build(ended: Ended) -> str:
    """Pick the lines of the step that failed: BuildKit repeats them between dashes, or prints `ERROR`."""
    lines = [_shortened(line.rstrip()) for line in (ended.output + ended.errors).splitlines() if line.strip()]
    rules = [index for index, line in enumerate(lines) if line.startswith("------")]
    if len(rules) >= 2:
        return "\n".join(lines[rules[-2] + 1 : rules[-1]][-12:] + lines[rules[-1] + 1 :][-2:])
    return "\n".join([line for line in lines if "error" in line.lower()][-6:] or lines[-6:])
