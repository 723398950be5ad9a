"""Runtime `compose`: the services and the local components as containers of one Compose project."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

from dotenv import dotenv_values

from salambot_cli.config.service_variables import services_reading, variables_for
from salambot_cli.docker.compose_project import Project
from salambot_cli.docker.containers import (
    Container,
    containers,
    has_volumes,
    image_exists,
    remove_containers,
    remove_images,
    remove_project,
)
from salambot_cli.docker.engine import inspect_engine
from salambot_cli.docker.image import IMAGE_LABEL, assemble_context
from salambot_cli.host import generated_files, log_files
from salambot_cli.host.files import read_files, replace_file, write_files
from salambot_cli.host.keys import existing_secrets
from salambot_cli.host.secret_files import last_read, record_read, remove_secrets, secrets_folder
from salambot_cli.host.subprocesses import Hear, StreamedResult
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.environment_folder import project_of_environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.plan import Change, Plan, Running, WantedPart
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS, SERVICES, Program, Service
from salambot_cli.model.unit import Health, ObservedStack, PartStatus
from salambot_cli.render.compose import (
    LOCAL_PARTS,
    config_label,
    config_marks,
    is_unmodified,
    local_parts,
    render_compose,
    secret_digests,
    with_public_url,
)
from salambot_cli.stack.bastion import (
    Bastion,
    bastion_problem,
    bastion_unit,
    bastions,
    is_open,
    listen_address,
    through_bastions,
    with_bastion_ports,
)
from salambot_cli.stack.component_health import component_parts, load_clients, service_part, service_url
from salambot_cli.stack.runtimes.base import JOB_SILENCE_SECONDS, PEERS, LogLine, StartResult
from salambot_cli.stack.runtimes.container_parts import placements_of, running_part
from salambot_cli.stack.runtimes.container_start import ContainerStarter
from salambot_cli.stack.runtimes.container_view import (
    OWN_FILE,
    RECEIVERS,
    certificate_problem,
    compose_facts,
    copy_public_files,
    environment_for_containers,
    environment_for_host,
    files_of_secrets,
    own_secrets,
    project_name,
    remove_rendered,
    rendered_folder,
    with_mounted_secrets,
    write_files_of_secrets,
)
from salambot_cli.stack.runtimes.host import as_running, disk_problem, git_problem, settle_ports
from salambot_cli.stack.runtimes.supervised import running_parts
from salambot_cli.stack.supervisor_client import SupervisorClient
from salambot_cli.terminal.interrupts import run_shielded_thread, shield
from salambot_cli.tunnel.open_tunnel import TUNNEL

IMAGE = "image"
MIGRATE = "migrate"
_KEPT = ("jump.", TUNNEL)
"""How the names begin of what the supervisor keeps beside the containers."""
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
        """Notes for the person who runs the command: rendered files that were edited by hand, and their copies."""
        self._launch_lock = asyncio.Lock()
        self._started: ContainerStarter | None = None
        self._wanted: dict[str, str] = {}
        self._secrets: dict[str, str] = {}
        self._had_data = True
        self._own: Mapping[str, Secret] = {}
        self._files: dict[Path, bytes] = {}
        """The rendered files and secrets as they were when this run began."""
        self._before_jumps: Environment | None = None
        """The environment whose URLs still lead to the real ports."""

    def parts(self, environment: Environment) -> Mapping[str, tuple[str, ...]]:
        """Return the graph of what runs here: the image first, then only components that are placed locally."""
        local = local_parts(environment)
        graph: dict[str, tuple[str, ...]] = {IMAGE: (), **{str(name): (IMAGE,) for name in local}}
        forwards = tuple(jump.name for jump in bastions(environment))
        graph |= dict.fromkeys(forwards, ())
        graph["migrate"] = (IMAGE, *forwards, *(name for name in local if name == "postgres"))
        for service, needs in _NEEDS.items():
            reached = forwards if service in services_reading(environment, "REDIS_URL") else ()
            graph[service] = (IMAGE, *reached, *(need for need in needs if need in graph))
        return graph

    async def running(self, environment: Environment) -> Running:
        """Look at the containers, and at what the supervisor keeps beside them."""
        kept = running_parts(await SupervisorClient(environment.state).status())
        seen = await self._containers(environment).look()
        folder = files_of_secrets(environment)
        names = {*PROGRAMS, *LOCAL_PARTS, MIGRATE}
        parts = {name: running_part(found, folder) for name, found in seen.items() if name in names}
        return Running({**kept.parts, **parts}, kept.origin, placements_of(seen), kept.supervisor_pid)

    async def confirm(self, environment: Environment, running: Running) -> Running:
        """Return what runs as it is: the engine has asked each container already."""
        del environment
        return running

    def settle(self, environment: Environment, running: Running) -> Environment:
        """Replace `auto` by the port that runs, else by that of last time if it is free, else by a free one."""
        return settle_ports(with_bastion_ports(environment), running.ports)

    def wanted(self, environment: Environment) -> Mapping[str, WantedPart]:
        """Return the parts as they would be started; ports are settled, and nothing is made."""
        own = existing_secrets(environment.root)
        inside = environment_for_containers(through_bastions(environment), own)
        facts = compose_facts(inside, own)
        marks, secrets = config_marks(inside, facts), secret_digests(inside, facts)
        graph, found = self.parts(environment), dict[str, WantedPart]()
        for name, needs in graph.items():
            known = {
                **marks.get(name, {}),
                **({"secrets": secrets[name]} if name in secrets and name in PROGRAMS else {}),
            }
            keys = (name, "ingress") if name == "gateway" else () if name == "worker" else (name,)
            ports = {key: port for key in keys if isinstance(port := environment.ports.get(key), int)}
            peers = tuple(peer for peer in PEERS.get(name, ()) if peer in graph)
            found[name] = WantedPart(name, known, needs, peers, (), ports, job=name in {IMAGE, MIGRATE})
        return found

    async def check(self, environment: Environment) -> list[str]:
        """Return what is wrong with engine, Compose, Git and disk."""
        loading = asyncio.to_thread(load_clients)
        engine, _ = await asyncio.gather(inspect_engine(), loading)
        problems = [*engine.problems, *git_problem(), *disk_problem(environment, _NEEDED_BYTES)]
        return problems + certificate_problem(environment) + bastion_problem(environment)

    async def prepare(self, environment: Environment) -> Environment:
        """Make the environment's own secrets; return what the containers see."""
        self._before_jumps = environment
        self._own = await run_shielded_thread(own_secrets, environment)
        return await asyncio.to_thread(environment_for_containers, through_bastions(environment), self._own)

    async def begin(self, environment: Environment, plan: Plan) -> None:
        """Remember the files that the containers were started with, before the first of them changes."""
        client = SupervisorClient(environment.state)
        if plan.takes_over:
            await shield(client.shutdown())
        await client.begin()
        folders = environment.state / "rendered", files_of_secrets(environment)
        self._files = await asyncio.to_thread(read_files, folders)

    def project(self, environment: Environment) -> Project:
        """Return the Compose project of an environment, with the owner's own file last."""
        return _project(environment.root, project_name(environment), local_parts(environment))

    async def start(self, environment: Environment, part: str) -> StartResult:
        """Start one part and wait until it is healthy; `image` renders the files and builds what changed."""
        project = self.project(environment)
        if part == IMAGE:
            return await self._image(environment, project)
        for jump in bastions(self._before_jumps or environment):
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
            await self._containers(environment).renew(project, part, recreate=read is None)
            result = "restarted"
        await asyncio.to_thread(record_read, folder, part, wanted)
        return result

    def _containers(self, environment: Environment) -> ContainerStarter:
        if self._started is None:
            self._started = ContainerStarter(project_name(environment))
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
            await ContainerStarter(project.name).start(project, "gateway", None)
        except SalamBotError as error:
            print(f"salambot: {error.what}: {error.why}", flush=True)  # noqa: T201 - becomes tunnel.log
            return False
        return True

    async def _open(self, environment: Environment, jump: Bastion) -> StartResult:
        """Open a port forward into the VPC, under the supervisor."""
        client = SupervisorClient(environment.state)
        async with self._launch_lock:
            await client.launch()
        unit = bastion_unit(environment, jump, await listen_address())
        return cast("StartResult", await client.ensure(unit))

    async def _image(self, environment: Environment, project: Project) -> StartResult:
        await asyncio.to_thread(self._write, environment)
        facts = await asyncio.to_thread(compose_facts, environment, self._own)
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
        others = seen.keys() - await project.services() - {*RECEIVERS.values()} - {*LOCAL_PARTS}
        await remove_containers([seen[name].id for name in others])
        self.notes += [
            f"{name} of an earlier start is not part of this environment: removed" for name in sorted(others)
        ]

    def _write(self, environment: Environment) -> None:
        folder = rendered_folder(environment.root)
        copy_public_files(environment)
        facts = compose_facts(environment, self._own)
        write_files_of_secrets(environment, facts)
        files = render_compose(environment, facts)
        found = generated_files.diff(folder, files, is_unmodified)
        kept = generated_files.write(folder, files, found)
        edited = [change for change in found if change.by_hand]
        for change, copy in zip(edited, kept, strict=True):
            self.notes.append(f"{change.name} was edited by hand; the edited file is kept as {copy}\n{change.diff}")

    def variables(self, environment: Environment, service: Program) -> Mapping[str, Variable]:
        """Return what a service gets; `prepare` has put in the addresses of the Compose network."""
        return variables_for(environment, service)

    async def end(self, environment: Environment, part: str) -> None:
        """Stop one part that is not wanted any more; its data stays."""
        found = (await self._containers(environment).look()).get(part)
        if found is not None:
            await remove_containers([found.id])
        else:
            await SupervisorClient(environment.state).stop(part)

    async def restart(self, environment: Environment, parts: tuple[str, ...]) -> list[str]:
        """Restart parts as they run, services behind their open ports; return their names."""
        seen, project = await self._containers(environment).look(), self.project(environment)
        for part in parts:
            if part in seen:
                await self._containers(environment).renew(project, part, recreate=False)
        if kept := [part for part in parts if part not in seen]:
            await SupervisorClient(environment.state).restart(*kept)
        return list(parts)

    def seen(self, environment: Environment, running: Running) -> Environment:
        """Return the environment as it runs, with the addresses of this machine. Nothing is made."""
        return environment_for_host(with_mounted_secrets(as_running(with_bastion_ports(environment), running)))

    def command_in(
        self, environment: Environment, running: Running, part: str, words: tuple[str, ...]
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """Return a command inside a container."""
        del running
        return self.project(environment).command_inside(part, words, terminal=sys.stdin.isatty())

    def abandon(self, environment: Environment) -> None:
        """Leave the containers to the engine: nothing can be ended without waiting for it."""
        del environment

    async def undo(self, environment: Environment, changes: tuple[Change, ...]) -> None:
        """Remove the containers that this run started, and bring back those that it replaced, from the files before."""
        project, client = self.project(environment), SupervisorClient(environment.state)
        inside = [change for change in changes if not change.part.startswith(_KEPT) and change.action != "keep"]
        if kept := [change.part for change in changes if change.part.startswith(_KEPT)]:
            await client.restore(*kept)
            await client.shutdown_if_empty()  # before anything needs the engine, which may be gone
        if started := [change.part for change in inside if change.action == "stop"]:
            await project.remove(*started)
        if back := [change.part for change in inside if change.action != "stop"]:
            await self._bring_back(environment, back)
        if not (await containers(project.name)).keys() - {"migrate"}:  # a job that ended holds nothing up
            # Volumes that this run made go with their passwords: nobody could open them again.
            await remove_project(project.name, volumes=not self._had_data)
            await asyncio.to_thread(remove_secrets, secrets_folder(project.name))
            await client.shutdown()

    async def _bring_back(self, environment: Environment, parts: list[str]) -> None:
        folder = files_of_secrets(environment)
        read = {part: await asyncio.to_thread(last_read, folder, part) for part in parts}
        await asyncio.to_thread(write_files, self._files)
        project = self.project(environment)
        await project.up(parts)
        for part in parts:
            if read[part] != await asyncio.to_thread(last_read, folder, part):
                await self._containers(environment).renew(project, part, recreate=False)

    async def observe(self, environment: Environment) -> ObservedStack:
        """Look at the containers, and ask every service and component for itself."""
        running = await self.running(environment)
        settled = as_running(with_bastion_ports(environment), running)
        found = await self._containers(environment).look()
        known = await asyncio.to_thread(with_mounted_secrets, settled)
        seen = await asyncio.to_thread(environment_for_host, known) if found else known
        services = await asyncio.gather(
            *(service_part(name, service_url(settled.ports[name]) if name in found else None) for name in SERVICES)
        )
        tested = await component_parts(seen, started=bool(found))
        components = [await self._behind_jump(settled, part) for part in tested]
        return ObservedStack(
            runtime="compose",
            services={part.name: _with_container(part, found.get(part.name)) for part in services},
            components={part.name: _with_container(part, found.get(part.name)) for part in components},
            worker=_with_container(_unpublished("worker", found.get("worker")), found.get("worker")),
            running=running,
        )

    async def _behind_jump(self, environment: Environment, part: PartStatus) -> PartStatus:
        """Test what only containers can log in to by its port forward; their own readiness tells the rest."""
        for jump in bastions(environment):
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
        await asyncio.to_thread(remove_secrets, secrets_folder(name))
        if prune:
            await remove_images(IMAGE_LABEL)
        if volumes:
            await asyncio.to_thread(remove_secrets, files_of_secrets(environment))
            await asyncio.to_thread(remove_rendered, environment)
            await asyncio.to_thread(shutil.rmtree, environment.state / "data", ignore_errors=True)
        return stopped

    async def logs(
        self, environment: Environment, sources: tuple[str, ...], *, since: str | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        """Yield the lines of containers, and of what the supervisor keeps beside them: the tunnel, the forwards."""
        beside = (TUNNEL, *(jump.name for jump in bastions(environment)))
        kept = tuple(name for name in sources or beside if name in beside)
        inside = tuple(name for name in sources if name not in beside)
        streams: list[AsyncIterator[LogLine]] = []
        if kept:
            files = log_files.merge_by_time(environment.state / "logs", kept, since=since, follow=follow)
            streams.append(LogLine(*line) async for line in files)
        if inside or not sources:
            raw = self.project(environment).log_lines(inside, since=since, follow=follow)
            streams.append(_log_line(line) async for line in raw)
        if follow:
            async for line in log_files.merge_streams(streams):
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
    ) -> StreamedResult:
        """Run a job inside a service's container, as `docker compose exec SERVICE python -m …`."""
        command = ("python", "-m", *argv)
        return await self.project(environment).execute(
            service, command, hear, stdin=stdin, silence_s=JOB_SILENCE_SECONDS
        )


def _project(root: Path, name: str, profiles: tuple[str, ...] = ()) -> Project:
    own, project = (
        project_of_environment(root) / OWN_FILE,
        Project(name, root / ".salambot" / "rendered", profiles=profiles),
    )
    return replace(project, files=(*project.files, str(own))) if own.is_file() else project


def _unpublished(name: str, container: Container | None) -> PartStatus:
    """See a part that no port of this machine leads to as its own health check sees it."""
    if container is None or container.phase != "running":
        return PartStatus(
            name, "down", detail="not started" if container is None else f"its container is {container.phase}"
        )
    return PartStatus(
        name, "healthy" if container.is_ready else "unhealthy" if container.health == "unhealthy" else "starting"
    )


def _with_container(part: PartStatus, container: Container | None) -> PartStatus:
    if container is None:
        return part
    health: Health = "starting" if part.health == "down" and container.health == "starting" else part.health
    return replace(part, pid=container.pid, since=container.started, health=health)


def _log_line(line: str) -> LogLine:
    source, _, rest = line.partition("|")
    moment, _, text = rest.strip().partition(" ")
    return LogLine(moment, source.strip().rsplit("-", 1)[0], text)
