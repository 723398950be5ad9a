"""Runtime `compose`: the services and the local components as containers of one Compose project."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

from dotenv import dotenv_values

from salambot_cli.catalog.render import (
    config_label,
    is_untouched,
    local_parts,
    render_compose,
    secret_digests,
    with_public_url,
)
from salambot_cli.catalog.services import readers, variables_for
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.topology import SERVICES, Program, Service
from salambot_cli.model.unit import Health, Observed, Part
from salambot_cli.outside import logs as log_files
from salambot_cli.outside import rendered
from salambot_cli.outside.attached import Followed, Hear
from salambot_cli.outside.compose_project import Project
from salambot_cli.outside.containers import (
    Container,
    containers,
    has_volumes,
    image_exists,
    remove_containers,
    remove_images,
    remove_project,
)
from salambot_cli.outside.docker import DockerError
from salambot_cli.outside.engine import inspect_engine
from salambot_cli.outside.files import replace_file
from salambot_cli.outside.image import IMAGE_LABEL, assemble_context
from salambot_cli.outside.runtime_folder import forget_secrets, last_read, note_read, secrets_folder
from salambot_cli.runtimes.base import JOB_SILENCE_S, LogLine, StartResult
from salambot_cli.runtimes.client import SupervisorClient
from salambot_cli.runtimes.components import component_parts, load_clients, service_part
from salambot_cli.runtimes.container_start import ContainerStart
from salambot_cli.runtimes.container_view import (
    OWN_FILE,
    RECEIVERS,
    compose_facts,
    copy_public_files,
    files_of_secrets,
    inside_view,
    outside_view,
    project_name,
    remove_rendered,
    rendered_folder,
    with_mounted_secrets,
    write_files_of_secrets,
)
from salambot_cli.runtimes.host import disk_problem, git_problem, last_ports, settle_ports, taken_ports
from salambot_cli.runtimes.jump import (
    Jump,
    is_open,
    jump_problem,
    jump_unit,
    jumps,
    listen_address,
    through_jumps,
    with_jump_ports,
)
from salambot_cli.runtimes.tunnel import TUNNEL

IMAGE = "image"
_NEEDED_BYTES = 2 * 1024**3
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("redis", "migrate"),
    "orchestrateur": ("redis", "migrate"),
    "nlu": (),
    "rag": ("redis", "migrate"),
    "worker": ("redis", "migrate"),
}
"""What a service needs before it can start; that its peers are there shows in its own readiness."""


class ComposeRuntime:
    """Starts every part as a container; one object serves one run of a command."""

    name: Literal["compose", "process"] = "compose"

    def __init__(self) -> None:
        self.notes: list[str] = []
        """What people should know: rendered files that were edited by hand, and their copies."""
        self._launch_lock = asyncio.Lock()
        self._started: ContainerStart | None = None
        self._wanted: dict[str, str] = {}
        self._secrets: dict[str, str] = {}
        self._had_data = True
        self._before_jumps: Environment | None = None
        """The environment whose URLs still lead to the real ports."""

    async def partners(self, environment: Environment) -> Mapping[str, tuple[str, ...]]:
        """Return nothing: a container holds one service."""
        del environment
        return {}

    def parts(self, environment: Environment) -> Mapping[str, tuple[str, ...]]:
        """Return the graph of what runs here: the image first, then only components that are placed locally."""
        local = local_parts(environment)
        graph: dict[str, tuple[str, ...]] = {IMAGE: (), **{str(name): (IMAGE,) for name in local}}
        forwards = tuple(jump.name for jump in jumps(environment))
        graph |= dict.fromkeys(forwards, ())
        graph["migrate"] = (IMAGE, *forwards, *(name for name in local if name == "postgres"))
        for service, needs in _NEEDS.items():
            reached = forwards if service in readers(environment, "REDIS_URL") else ()
            graph[service] = (IMAGE, *reached, *(need for need in needs if need in graph))
        return graph

    async def check(self, environment: Environment) -> list[str]:
        """Return what is wrong with engine, Compose, Git, ports and disk."""
        look = self._containers(environment).look()
        loading = asyncio.to_thread(load_clients)
        engine, seen, _ = await asyncio.gather(inspect_engine(), look, loading, return_exceptions=True)
        if isinstance(engine, BaseException):
            raise engine
        if isinstance(seen, BaseException):
            if not engine.problems or not isinstance(seen, SalamBotError):
                raise seen
            seen = {}
        published = {*self.parts(environment), "ingress"} - {"worker"}
        taken = taken_ports(environment, published, {*seen, *await _kept(environment)})
        problems = [*engine.problems, *git_problem(), *taken]
        return problems + disk_problem(environment, _NEEDED_BYTES) + jump_problem(environment)

    async def prepare(self, environment: Environment) -> Environment:
        """Settle ports, make the environment's own secrets; return what the containers see."""
        settled = settle_ports(with_jump_ports(environment), await self._ours(environment))
        self._before_jumps = settled
        return await asyncio.to_thread(inside_view, through_jumps(settled))

    async def _ours(self, environment: Environment) -> set[str]:
        """Return what runs and holds a port of its own: containers, and what the supervisor keeps."""
        try:
            seen = await self._containers(environment).look()
        except DockerError:  # `up` has asked for an engine before; one that is gone since fails where it is needed
            seen = {}
        return {*seen, *await _kept(environment)}

    def project(self, environment: Environment) -> Project:
        """Return the Compose project of an environment, with the owner's own file last."""
        return _project(environment.root, project_name(environment), local_parts(environment))

    async def start(self, environment: Environment, part: str) -> StartResult:
        """Start one part and wait until it is healthy; `image` renders the files and builds what changed."""
        project = self.project(environment)
        if part == IMAGE:
            return await self._image(environment, project)
        for jump in jumps(self._before_jumps or environment):
            if jump.name == part:
                return await self._open(self._before_jumps or environment, jump)
        result = await self._containers(environment).start(project, part, self._wanted.get(part))
        return await self._read_secrets(environment, project, part, result)

    async def _read_secrets(
        self, environment: Environment, project: Project, part: str, result: StartResult
    ) -> StartResult:
        """Have a part that went on running read the secrets that changed since it started; its port stays open.

        The stores take new passwords by `secrets rotate`, which needs them to go on.
        """
        wanted, folder = self._secrets.get(part), files_of_secrets(environment)
        if wanted is None or (read := await asyncio.to_thread(last_read, folder, part)) == wanted:
            return result
        if result == "unchanged" and part not in local_parts(environment):
            # Without a note the files were gone for a while (a logout may do that): it still holds those before.
            await self._containers(environment).renew(project, part, anew=read is None)
            result = "restarted"
        await asyncio.to_thread(note_read, folder, part, wanted)
        return result

    def _containers(self, environment: Environment) -> ContainerStart:
        if self._started is None:
            self._started = ContainerStart(project_name(environment))
        return self._started

    async def republish(self, root: Path, url: str) -> bool:
        """Give the gateway another PUBLIC_BASE_URL: its line of `.env`, then its container; False where that fails.

        The rest of the environment is left as the last `up` rendered it, with the flags that it had.
        """
        file = rendered_folder(root) / ".env"
        text = await asyncio.to_thread(file.read_text, encoding="utf-8")
        await asyncio.to_thread(replace_file, file, with_public_url(text, url))
        name = dotenv_values(file, interpolate=False).get("COMPOSE_PROJECT_NAME")
        project = _project(root, str(name))
        try:
            await ContainerStart(project.name).start(project, "gateway", None)
        except SalamBotError as error:
            print(f"salambot: {error.what}: {error.why}", flush=True)  # noqa: T201 - becomes tunnel.log
            return False
        return True

    async def _open(self, environment: Environment, jump: Jump) -> StartResult:
        """Open a port forward into the VPC, under the supervisor."""
        client = SupervisorClient(environment.state)
        async with self._launch_lock:
            await client.launch()
        unit = jump_unit(environment, jump, await listen_address())
        return cast("StartResult", await client.ensure(unit))

    async def _image(self, environment: Environment, project: Project) -> StartResult:
        await asyncio.to_thread(self._write, environment)
        facts = await asyncio.to_thread(compose_facts, environment)
        self._had_data, exists, _ = await asyncio.gather(
            has_volumes(project.name), image_exists(facts.image), self._remove_others(environment, project)
        )
        built = not exists
        if built:
            await asyncio.to_thread(assemble_context, project.folder / "image")
            await project.build("gateway")
        self._wanted = await asyncio.to_thread(config_label, environment, facts)
        self._secrets = await asyncio.to_thread(secret_digests, environment, facts)
        return "started" if built else "unchanged"

    async def _remove_others(self, environment: Environment, project: Project) -> None:
        """Remove what an earlier `up` started and these files know no more: a part that moved, an older version's."""
        seen = await self._containers(environment).look()
        if not seen.keys() - self.parts(environment).keys():
            return
        others = seen.keys() - await project.services() - {*RECEIVERS.values()}
        await remove_containers([seen[name].id for name in others])
        self.notes += [
            f"{name} of an earlier start is not part of this environment: removed" for name in sorted(others)
        ]

    def _write(self, environment: Environment) -> None:
        folder = rendered_folder(environment.root)
        copy_public_files(environment)
        facts = compose_facts(environment)
        write_files_of_secrets(environment, facts)
        files = render_compose(environment, facts)
        found = rendered.changes(folder, files, is_untouched)
        kept = rendered.write(folder, files, found)
        edited = [change for change in found if change.by_hand]
        for change, copy in zip(edited, kept, strict=True):
            self.notes.append(f"{change.name} was edited by hand; the edited file is kept as {copy}\n{change.diff}")

    def variables(self, environment: Environment, service: Program) -> Mapping[str, Variable]:
        """Return what a service gets; `prepare` has put in the addresses of the Compose network."""
        return variables_for(environment, service)

    async def undo(self, environment: Environment, parts: tuple[str, ...]) -> None:
        """Remove the containers that this run started; the last one takes the network with it."""
        project = self.project(environment)
        forwards = [part for part in parts if part.startswith("jump.")]
        running = [part for part in parts if part != IMAGE and part not in forwards]
        if running:
            await project.remove(*running)
        if forwards:
            await SupervisorClient(environment.state).stop(*forwards)
        if not await containers(project.name):
            # Volumes that this run made go with their passwords: nobody could open them again.
            await remove_project(project.name, volumes=not self._had_data)
            await asyncio.to_thread(forget_secrets, secrets_folder(project.name))
            await SupervisorClient(environment.state).shutdown()

    async def observe(self, environment: Environment) -> Observed:
        """Look at the containers, and ask every service and component for itself."""
        settled = last_ports(with_jump_ports(environment))
        found = await containers(project_name(environment))
        known = await asyncio.to_thread(with_mounted_secrets, settled)
        seen = await asyncio.to_thread(outside_view, known) if found else known
        services = await asyncio.gather(
            *(
                service_part(name, f"http://localhost:{settled.ports[name]}" if name in found else None)
                for name in SERVICES
            )
        )
        components = [await self._behind_jump(settled, part) for part in await component_parts(seen)]
        return Observed(
            runtime="compose",
            services={part.name: _with_container(part, found.get(part.name)) for part in services},
            components={part.name: _with_container(part, found.get(part.name)) for part in components},
            worker=_with_container(_unpublished("worker", found.get("worker")), found.get("worker")),
        )

    async def _behind_jump(self, environment: Environment, part: Part) -> Part:
        """Test what only containers can log in to by its port forward; their own readiness tells the rest."""
        for jump in jumps(environment):
            if jump.component == part.name:
                reached = await is_open(await listen_address(), environment.ports[jump.name])
                health: Health = "healthy" if reached else "down"
                return replace(part, health=health, detail=f"through {environment.aws.jump}")
        return part

    async def stop(self, environment: Environment, *, volumes: bool, prune: bool) -> list[str]:
        """Remove containers and network; with `volumes` the data, with `prune` the project's images."""
        name = project_name(environment)
        await SupervisorClient(environment.state).shutdown()  # it keeps the tunnel
        stopped = await remove_project(name, volumes=volumes)
        await SupervisorClient(environment.state).shutdown()
        await asyncio.to_thread(forget_secrets, secrets_folder(name))
        if prune:
            await remove_images(IMAGE_LABEL)
        if volumes:
            await asyncio.to_thread(forget_secrets, files_of_secrets(environment))
            await asyncio.to_thread(remove_rendered, environment)
            await asyncio.to_thread(shutil.rmtree, environment.state / "data", ignore_errors=True)
        return stopped

    async def logs(
        self, environment: Environment, sources: tuple[str, ...], *, since: str | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        """Yield the lines of containers, and of what the supervisor keeps beside them: the tunnel, the forwards."""
        beside = (TUNNEL, *(jump.name for jump in jumps(environment)))
        kept = tuple(name for name in sources or beside if name in beside)
        inside = tuple(name for name in sources if name not in beside)
        streams: list[AsyncIterator[LogLine]] = []
        if kept:
            files = log_files.merged(environment.state / "logs", kept, since=since, follow=follow)
            streams.append(LogLine(*line) async for line in files)
        if inside or not sources:
            raw = self.project(environment).log_lines(inside, since=since, follow=follow)
            streams.append(_log_line(line) async for line in raw)
        if follow:
            async for line in log_files.together(streams):
                yield line
            return
        for line in sorted([line for stream in streams async for line in stream], key=lambda line: line.time):
            yield line

    async def tail(self, environment: Environment, part: str, count: int) -> Sequence[str]:
        """Return the last lines of a container, or of what the supervisor keeps."""
        if part == TUNNEL or part.startswith("jump."):
            return await asyncio.to_thread(log_files.tail, environment.state / "logs" / f"{part}.log", count)
        return await self.project(environment).last_lines(part, count)

    async def run_job(
        self, environment: Environment, service: Service, argv: tuple[str, ...], hear: Hear, stdin: str | None = None
    ) -> Followed:
        """Run a job inside a service's container, as `docker compose exec SERVICE python -m …`."""
        command = ("python", "-m", *argv)
        return await self.project(environment).execute(service, command, hear, stdin=stdin, silence_s=JOB_SILENCE_S)


async def _kept(environment: Environment) -> set[str]:
    """Return what the supervisor keeps beside the containers."""
    kept = await SupervisorClient(environment.state).status()
    return set(cast("dict[str, object]", kept["units"])) if kept else set()


def _project(root: Path, name: str, profiles: tuple[str, ...] = ()) -> Project:
    own, project = root / OWN_FILE, Project(name, root / ".salambot" / "rendered", profiles=profiles)
    return replace(project, files=(*project.files, str(own))) if own.is_file() else project


def _unpublished(name: str, container: Container | None) -> Part:
    """See a part that no port of this machine leads to as its own health check sees it."""
    if container is None or container.phase != "running":
        return Part(name, "down", detail="not started" if container is None else f"its container is {container.phase}")
    return Part(
        name, "healthy" if container.is_ready else "unhealthy" if container.health == "unhealthy" else "starting"
    )


def _with_container(part: Part, container: Container | None) -> Part:
    if container is None:
        return part
    health: Health = "starting" if part.health == "down" and container.health == "starting" else part.health
    return replace(part, pid=container.pid, since=container.started, health=health)


def _log_line(line: str) -> LogLine:
    source, _, rest = line.partition("|")
    moment, _, text = rest.strip().partition(" ")
    return LogLine(moment, source.strip().rsplit("-", 1)[0], text)
