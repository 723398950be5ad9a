"""Docker objects of a Compose project, found by label: containers, networks, volumes, images."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict, TypeVar, cast

from salambot_cli.docker.command_line import (
    GRACE_SECONDS,
    QUICK_SECONDS,
    docker_error,
    end_docker,
    run_docker,
    run_docker_capture,
    spawn_docker,
)

if TYPE_CHECKING:
    from python_on_whales import DockerClient

LABEL_PROJECT = "com.docker.compose.project"
LABEL_SERVICE = "com.docker.compose.service"
_SERVICE = f'{{{{index .Actor.Attributes "{LABEL_SERVICE}"}}}}'
_EVENTS = ("start", "die", "oom", "destroy", "health_status")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a project as the engine sees it. `health` is None where no health check is defined."""

    id: str
    service: str
    phase: str
    """created, running, restarting, exited, dead, paused or removing."""
    exit_code: int
    health: str | None
    pid: int | None
    started: datetime | None
    labels: Mapping[str, str]
    out_of_memory: bool = False
    ports: Mapping[int, int] = field(default_factory=dict)
    """Port inside -> port of this machine."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_ready(self) -> bool:
        """Return whether it is healthy; without a health check, running or exited with 0."""
        if self.health is not None:
            return self.phase == "running" and self.health == "healthy"
        return self.phase == "running" or (self.phase == "exited" and self.exit_code == 0 and self.started is not None)


class _Health(TypedDict):
    Status: str


class _State(TypedDict, total=False):
    Status: str
    ExitCode: int
    OOMKilled: bool
    Pid: int
    StartedAt: str
    Health: _Health | None


class _Config(TypedDict, total=False):
    Labels: Mapping[str, str] | None
    Env: list[str] | None


class _HostConfig(TypedDict, total=False):
    PortBindings: Mapping[str, list[Mapping[str, str]] | None] | None


class _Inspected(TypedDict):
    """The part of `docker inspect` that is read here."""

    Id: str
    Name: str
    State: _State
    Config: _Config
    HostConfig: _HostConfig


async def containers(project: str) -> dict[str, Container]:
    """Return the containers of a project by service. Two commands: python-on-whales needs two per container."""
    ids = (await run_docker_capture("ps", "--all", "--quiet", "--no-trunc", "--filter", _label(project))).split()
    if not ids:
        return {}
    # One that was removed in between is missing in the answer, and makes the status 1.
    ended = await run_docker(["docker", "inspect", "--type", "container", *ids], QUICK_SECONDS)
    try:
        found = cast("list[_Inspected]", json.loads(ended.output))
    except ValueError:
        raise docker_error(ended.errors) from None
    return {container.service: container for container in map(_seen, found)}


def _label(project: str) -> str:
    return f"label={LABEL_PROJECT}={project}"


def _seen(found: _Inspected) -> Container:
    state, labels = found["State"], found["Config"].get("Labels") or {}
    started = datetime.fromisoformat(state.get("StartedAt", "0001-01-01T00:00:00Z"))
    health = state.get("Health")
    return Container(
        id=found["Id"],
        service=labels.get(LABEL_SERVICE, found["Name"].lstrip("/")),
        phase=state.get("Status", "dead"),
        exit_code=state.get("ExitCode", 0),
        health=health["Status"] if health and health["Status"] != "none" else None,
        pid=state.get("Pid") or None,
        started=started if started.year > 1 else None,
        labels=labels,
        out_of_memory=state.get("OOMKilled", False),
        ports=_published(found.get("HostConfig", {}).get("PortBindings") or {}),
        environ=dict(line.partition("=")[::2] for line in found["Config"].get("Env") or []),
    )


def _published(bindings: Mapping[str, list[Mapping[str, str]] | None]) -> dict[int, int]:
    found = {
        inside.partition("/")[0]: outside[0].get("HostPort", "") for inside, outside in bindings.items() if outside
    }
    return {int(inside): int(port) for inside, port in found.items() if inside.isdigit() and port.isdigit()}


class Changes:
    """Counts, by service, the container events start, exit, healthy and unhealthy.

    The event stream is open inside the block.
    """

    def __init__(self, project: str) -> None:
        self.count: Counter[str] = Counter()
        self._filters = [_label(project), *(f"event={name}" for name in _EVENTS)]
        self._inside = 0
        self._entering = asyncio.Lock()
        self._news = asyncio.Condition()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._inside += 1
        async with self._entering:
            if self._listening is None:
                words = [word for one in self._filters for word in ("--filter", one)]
                stream = await spawn_docker(["docker", "events", "--since", "3s", "--format", _SERVICE, *words])
                self._listening = asyncio.create_task(self._listen(stream))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside -= 1
        listening = self._listening
        if self._inside == 0 and listening is not None:
            self._listening = None
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, stream: asyncio.subprocess.Process) -> None:
        try:
            while stream.stdout is not None and (line := await stream.stdout.readline()):
                async with self._news:
                    self.count[line.decode().strip()] += 1
                    self._news.notify_all()
        finally:
            await end_docker(stream)

    async def after(self, service: str, count: int, seconds: float) -> None:
        """Wait until a service has more than `count`, or for some seconds: a stream may have ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self.count[service] > count)


async def has_volumes(project: str) -> bool:
    """Return whether a project has data."""
    return bool(await run_docker_capture("volume", "ls", "--quiet", "--filter", _label(project)))


async def image_exists(tag: str) -> bool:
    """Return whether the engine has an image."""
    ended = await run_docker(["docker", "image", "inspect", "--format", "{{.Id}}", tag], QUICK_SECONDS)
    if ended.status != 0 and "no such image" not in ended.errors.lower():
        raise docker_error(ended.errors)
    return ended.status == 0


async def remove_project(name: str, *, volumes: bool) -> list[str]:
    """Remove everything that carries a project's label, whatever version made it; return the services that ran."""
    found = await containers(name)
    await _in_thread(lambda: _remove_project(name, [each.id for each in found.values()], volumes=volumes))
    return sorted(found)


def _remove_project(name: str, ids: list[str], *, volumes: bool) -> None:
    client, label = _client(), f"{LABEL_PROJECT}={name}"
    _remove_containers(ids)
    for network in client.network.list(filters=[("label", label)]):
        client.network.remove(network)
    if volumes:
        client.volume.remove([*client.volume.list(filters=[("label", label)])])


async def remove_containers(ids: list[str]) -> None:
    """Stop and remove containers, their anonymous volumes too."""
    await _in_thread(lambda: _remove_containers(ids))


def _remove_containers(ids: list[str]) -> None:
    if ids:
        _client().container.stop(ids, time=GRACE_SECONDS)
        _client().container.remove(ids, force=True, volumes=True)


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
        return await asyncio.wait_for(asyncio.to_thread(call), QUICK_SECONDS)
    except DockerException as error:
        raise docker_error(error.stderr or "") from None
    except ClientNotFoundError:
        raise docker_error("docker is not on PATH") from None
    except TimeoutError:
        raise docker_error(f"no answer within {QUICK_SECONDS} s") from None
