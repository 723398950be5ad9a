"""The containers of one project in one run: looked at together, started together, waited for by the engine's events."""

import asyncio
import time
from collections.abc import Mapping

from salambot_cli.docker.compose_project import Project
from salambot_cli.docker.containers import Changes, Container, containers
from salambot_cli.model.topology import SERVICES
from salambot_cli.render.compose import CONFIG_LABEL
from salambot_cli.stack.runtimes.base import StartResult
from salambot_cli.stack.supervisor_client import UnitFailedError

_READY_SECONDS = 150
_RENEW = ("python", "-IS", "/app/keep.py", "renew")
_FRESH_SECONDS = 1.0
_GLANCE_SECONDS = 5.0
"""How long a wait relies on events alone."""


class ContainerStarter:
    """Starts containers of one project for one run of a command."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._changes = Changes(project)
        self._looking = asyncio.Lock()
        self._creating = asyncio.Lock()
        self._renewing = asyncio.Lock()
        self._seen: tuple[float, dict[str, Container]] = (-1.0, {})
        self._asked: dict[str, str | None] = {}
        self._before: dict[str, Container | None] = {}

    async def look(self, not_before: float | None = None) -> Mapping[str, Container]:
        """Return the containers as they are, or were at most a second ago; `not_before` is on the monotonic clock."""
        async with self._looking:
            began, seen = self._seen
            now = time.monotonic()
            if began < (now - _FRESH_SECONDS if not_before is None else not_before):
                seen = await containers(self._project)
                self._seen = (now, seen)
            return seen

    async def start(self, project: Project, part: str, wanted: str | None) -> StartResult:
        """Have one part as `wanted` says (its CONFIG_LABEL), running and healthy.

        Raises:
            UnitFailedError: it ended, or is not healthy in time.
            DockerError: it cannot be created.
        """
        self._asked[part] = wanted
        async with self._creating:
            if part in self._asked:
                await self._create(project)
        before = self._before[part]
        if before is not None and _is_current(before, wanted) and before.is_ready:
            return "unchanged"
        await self._wait(project, part)
        return "started" if before is None or before.phase != "running" else "restarted"

    async def renew(self, project: Project, part: str, *, recreate: bool) -> None:
        """Have a running part read its secrets again, and wait until it is ready; a service keeps its port open.

        With `recreate` its container is replaced.

        Raises:
            UnitFailedError: it ends over them, or is not healthy in time.
            DockerError: the engine does not do it.
        """
        # One after the other: who ends has little time to answer what is under way, and asks the others for it.
        async with self._renewing:
            if recreate:
                await project.up([part], recreate=True)
            elif part in SERVICES:
                await self._renew_service(project, part)
            else:
                await project.restart(part)
            await self._wait(project, part)

    async def _renew_service(self, project: Project, part: str) -> None:
        ended = await project.execute(part, _RENEW, lambda _: None, stdin=None, silence_s=_READY_SECONDS)
        if ended.status != 0:
            trouble = _trouble((await self.look(not_before=time.monotonic())).get(part))
            why = trouble or "it does not start with the secrets that changed"
            raise UnitFailedError(part, why, await project.last_lines(part))

    async def _create(self, project: Project) -> None:
        """Create what is asked for, all of it with one command; while we look, others ask."""
        seen = await self.look()
        asked, self._asked = self._asked, {}
        self._before |= {part: seen.get(part) for part in asked}
        current = {
            part: found for part, label in asked.items() if (found := seen.get(part)) and _is_current(found, label)
        }
        sick = [part for part, found in current.items() if found.health == "unhealthy"]
        other = [part for part in asked if part not in sick and not (part in current and current[part].is_ready)]
        if sick:
            await project.up(sick, recreate=True)
        if other:
            await project.up(other)

    async def _wait(self, project: Project, part: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        async with self._changes as changes:
            while True:
                known = changes.count[part]
                found = (await self.look(not_before=time.monotonic())).get(part)
                if found is not None and _is_over(part, found):
                    return
                trouble = _trouble(found)
                if trouble is None and time.monotonic() > deadline:
                    trouble = f"not healthy after {_READY_SECONDS} s"
                if trouble is not None:
                    raise UnitFailedError(part, trouble, await project.last_lines(part))
                await changes.after(part, known, _GLANCE_SECONDS)


def _is_current(container: Container, wanted: str | None) -> bool:
    return container.labels.get(CONFIG_LABEL) == wanted


def _is_over(part: str, container: Container) -> bool:
    if part == "migrate":
        return container.phase == "exited" and container.exit_code == 0
    return container.is_ready


def _trouble(container: Container | None) -> str | None:
    """Say why waiting longer makes no sense, or None."""
    if container is None:
        return "its container is gone"
    if container.out_of_memory:
        return "killed for using more memory than its limit"
    if container.phase in {"exited", "dead"}:
        return f"its container ended with status {container.exit_code}"
    if container.health != "unhealthy":
        return None
    if container.phase != "running":
        return f"its container keeps ending with status {container.exit_code}"
    return "its health check keeps failing"
