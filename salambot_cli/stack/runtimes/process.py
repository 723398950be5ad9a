"""Runtime `process`: plain supervised processes and embedded servers, for a machine without Docker."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal, cast

from salambot_cli.config.endpoints import urls_with_ca
from salambot_cli.config.service_variables import variables_for
from salambot_cli.docker.image import services_build
from salambot_cli.host import log_files
from salambot_cli.host.files import private_folder, share_documents
from salambot_cli.host.keys import OWN_UNLESS_GIVEN, existing_secrets, generated_secrets, identity_provider, jwks_path
from salambot_cli.host.ports import LOOPBACK
from salambot_cli.host.subprocesses import Hear, StreamedResult, run_streaming
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.plan import Change, Plan, Running, WantedPart
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS, SERVICES, Component, Program, Service
from salambot_cli.model.unit import ObservedStack, PartStatus, Readiness, Unit
from salambot_cli.stack.component_health import check_component, component_parts, service_part, service_url
from salambot_cli.stack.runtimes import embedded
from salambot_cli.stack.runtimes.base import JOB_SILENCE_SECONDS, PEERS, LogLine, StartResult, objects_folder
from salambot_cli.stack.runtimes.host import as_running, disk_problem, settle_ports
from salambot_cli.stack.runtimes.supervised import running_parts, units_of, with_unit
from salambot_cli.stack.supervisor_client import SupervisorClient, kill_supervisor, python_environment
from salambot_cli.stack.supervisor_protocol import marks
from salambot_cli.terminal.interrupts import run_shielded_thread, shield

_NEEDED_BYTES = 200 * 1024 * 1024
_READY_SECONDS = 120
"""A service waits for those that it calls, and these for the schema; a loaded machine takes its time."""
_LOCAL_STORES = ("postgres", "redis")
_SEES: Mapping[Program, tuple[str, ...]] = {
    "gateway": ("redis",),
    "orchestrateur": ("postgres", "redis", "migrate"),
    "nlu": (),
    "rag": ("postgres", "redis", "migrate"),
    "worker": ("postgres", "redis", "migrate"),
}
"""What a service needs before it can start; that its peers are there shows in its own readiness."""


class ProcessRuntime:
    """Starts every part as a child of one supervisor."""

    name: Literal["compose", "process"] = "process"

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._launched = False

    def parts(self, environment: Environment) -> Mapping[str, tuple[str, ...]]:
        """Return the graph of what runs here: only components that are placed locally."""
        local = [name for name in _LOCAL_STORES if environment.placements[name] == "local"]  # type: ignore[index] # both are components
        graph: dict[str, tuple[str, ...]] = dict.fromkeys(local, ())
        graph["migrate"] = tuple(name for name in local if name == "postgres")
        for program in PROGRAMS:
            needs = dict.fromkeys(need for name in _sharing(environment, program) for need in _SEES[name])
            graph[program] = tuple(need for need in needs if need in graph)
        return graph

    async def running(self, environment: Environment) -> Running:
        """Ask the supervisor what runs."""
        return running_parts(await SupervisorClient(environment.state).status())

    async def confirm(self, environment: Environment, running: Running) -> Running:
        """Find the parts that do not answer, asked twice; one that only misses another is not at fault."""
        seen = _completed(self.settle(environment, running), existing_secrets(environment.root))
        names = [name for name, part in running.parts.items() if part.state == "ready"]
        hanging = await asyncio.gather(*(self._hangs(seen, name) for name in names))
        silent = {name for name, hangs in zip(names, hanging, strict=True) if hangs}
        parts = {name: replace(part, answers=name not in silent) for name, part in running.parts.items()}
        return replace(running, parts=parts)

    def settle(self, environment: Environment, running: Running) -> Environment:
        """Replace `auto` by the port that runs, else by that of last time if it is free, else by a free one."""
        return settle_ports(environment, running.ports)

    def wanted(self, environment: Environment) -> Mapping[str, WantedPart]:
        """Return the parts as they would be started; ports are settled, and nothing is made."""
        complete = _completed(environment, existing_secrets(environment.root))
        graph, found = self.parts(complete), dict[str, WantedPart]()
        for name in graph:
            unit = self._unit(complete, name)
            together = unit.names if len(unit.names) > 1 else ()
            keys = (name, "ingress") if name == "gateway" and "INGRESS_PORT" in unit.environ else (name,)
            ports = {key: port for key in keys if isinstance(port := complete.ports.get(key), int)}
            peers = tuple(peer for peer in PEERS.get(name, ()) if peer in graph)
            found[name] = WantedPart(name, marks(unit), graph[name], peers, together, ports, job=unit.one_shot)
        return found

    async def check(self, environment: Environment) -> list[str]:
        """Return what this machine lacks: room on the disk, what PostgreSQL asks for.

        A stack that runs has its room, and the restart of a part may be what frees some.
        """
        running = await SupervisorClient(environment.state).status()
        problems = [] if running and running["units"] else disk_problem(environment, _NEEDED_BYTES)
        if environment.placement("postgres") == "local":
            problems += await embedded.postgres_problems(environment.state / "data" / "postgres")
        if environment.aws.jump is not None:
            # Without a container there is no place where the real host name could lead to the forward.
            problems.append("[aws] jump leads containers into the VPC, not processes: salambot up --runtime compose")
        return problems

    async def prepare(self, environment: Environment) -> Environment:
        """Make the environment's own secrets and keys, and the empty local data; return what the services see."""
        own = await run_shielded_thread(generated_secrets, environment.root)
        await run_shielded_thread(identity_provider, environment.root)
        data = private_folder(environment.state / "data")
        share_documents(objects_folder(environment), shared=False)
        if environment.placement("postgres") == "local":
            passwords = own["POSTGRES_PASSWORD"], own["POSTGRES_ADMIN_PASSWORD"]
            await embedded.initialise_postgres(data / "postgres", *passwords)
        return _completed(environment, own)

    async def begin(self, environment: Environment, plan: Plan) -> None:
        """Have a supervisor of this release, that remembers what runs before the first change."""
        client = SupervisorClient(environment.state)
        if plan.takes_over:
            await shield(client.shutdown())
        await shield(self._launch(client))
        await client.begin()

    async def start(self, environment: Environment, part: str) -> StartResult:
        """Start one part, or restart it as it is wanted now, and wait until it is healthy."""
        unit = await run_shielded_thread(self._unit, environment, part)
        client = SupervisorClient(environment.state)
        if part == "redis":
            password = generated_secrets(environment.root)["REDIS_PASSWORD"]
            await run_shielded_thread(embedded.write_redis_password, environment.state / "data" / "redis", password)
        result = cast("StartResult", await client.ensure(unit))
        if result == "unchanged" and await self._hangs(environment, part):
            await client.restart(part)
            return "restarted"
        return result

    async def end(self, environment: Environment, part: str) -> None:
        """Stop one part that is not wanted any more."""
        await SupervisorClient(environment.state).stop(part)

    async def restart(self, environment: Environment, parts: tuple[str, ...]) -> list[str]:
        """Restart parts as they run; return the names of all that were restarted with them."""
        return await SupervisorClient(environment.state).restart(*parts)

    async def _launch(self, client: SupervisorClient) -> None:
        self._launched = await client.launch() or self._launched

    async def _hangs(self, environment: Environment, part: str) -> bool:
        """Return whether a part that runs does not answer, twice; one that only misses another is not at fault."""
        for _ in range(2):
            if part in _LOCAL_STORES:
                health, _why = await check_component(environment, cast("Component", part))
            elif part in SERVICES:
                health = (await service_part(part, _url(environment, part))).health
            else:
                return False
            if health != "unhealthy":
                return False
        return True

    def _unit(self, environment: Environment, part: str) -> Unit:
        data = environment.state / "data"
        port = cast("int", environment.ports.get(part, 0))
        if part == "postgres":
            return embedded.postgres_unit(data / "postgres", port)
        if part == "redis":
            return embedded.redis_unit(data / "redis", port, _own_password(environment))
        if part == "migrate":
            return Unit(
                "migrate",
                _python("salambot.jobs.migrate"),
                Readiness("exit", seconds=120),
                environ=self._environ(environment, "orchestrateur"),
                build=services_build(),
            )
        return self._program_unit(environment, _sharing(environment, cast("Program", part)))

    def _program_unit(self, environment: Environment, programs: tuple[Program, ...]) -> Unit:
        """Return the process of a program, or of several services that share one."""
        ports = [cast("int", environment.ports[name]) for name in programs]
        words = ("salambot.worker",) if programs == ("worker",) else ("salambot.http.server", *programs)
        options = [word for port in ports for word in ("--port", str(port))]
        environs = [self._environ(environment, name) for name in programs]
        return Unit(
            name="+".join(programs),
            listen=() if programs == ("worker",) else tuple(ports),
            argv=_python(*words, "--host", LOOPBACK, *options),
            readiness=Readiness(
                "http", " ".join(f"http://{LOOPBACK}:{port}/health/ready" for port in ports), _READY_SECONDS
            ),
            environ={name: value for environ in environs for name, value in environ.items()},
            parts=programs if len(programs) > 1 else (),
            build=services_build(),
        )

    def _environ(self, environment: Environment, service: Program) -> dict[str, str]:
        variables = self.variables(environment, service)
        return (
            python_environment()
            | {"PYTHONUNBUFFERED": "1"}
            | {name: variable.reveal() for name, variable in variables.items()}
        )

    def variables(self, environment: Environment, service: Program) -> Mapping[str, Variable]:
        """Return what a service gets; `prepare` has put in the addresses of this machine."""
        return variables_for(environment, service)

    def seen(self, environment: Environment, running: Running) -> Environment:
        """Return the environment as it runs, with the addresses of this machine. Nothing is made."""
        return _completed(as_running(environment, running), existing_secrets(environment.root))

    def command_in(
        self, environment: Environment, running: Running, part: str, words: tuple[str, ...]
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """Return a command with the environment of a service, as a process of its own."""
        service = next((name for name in PROGRAMS if name == part), PROGRAMS[1])
        terminal = {name: os.environ[name] for name in ("TERM", "COLUMNS", "LINES") if name in os.environ}
        return words, terminal | self._environ(self.seen(environment, running), service)

    def abandon(self, environment: Environment) -> None:
        """Kill a supervisor that this run launched; the kernel ends its children with it."""
        if self._launched:
            kill_supervisor(environment.state)

    async def undo(self, environment: Environment, changes: tuple[Change, ...]) -> None:
        """Bring back what ran before; a supervisor that this run launched ends too."""
        client = SupervisorClient(environment.state)
        if changes and not self._launched:
            await client.restore(*(change.part for change in changes if change.action != "keep"))
        elif self._launched and all(change.action == "stop" for change in changes):
            await client.shutdown()

    async def observe(self, environment: Environment) -> ObservedStack:
        """Ask the supervisor for pids, and every service and component for itself."""
        status = await SupervisorClient(environment.state).status()
        running, units = running_parts(status), units_of(status)
        seen = _completed(as_running(environment, running), existing_secrets(environment.root))
        *services, worker = await asyncio.gather(*(_service(name, _url(seen, name), units) for name in PROGRAMS))
        components = await component_parts(seen, started=bool(units))
        return ObservedStack(
            runtime="process",
            services={part.name: with_unit(part, units.get(part.name)) for part in services},
            components={part.name: with_unit(part, units.get(part.name)) for part in components},
            worker=with_unit(worker, units.get("worker")),
            running=running,
        )

    async def stop(self, environment: Environment, *, volumes: bool, prune: bool) -> list[str]:
        """Stop the supervisor and all it holds. `prune` has nothing to remove: there are no images here."""
        del prune
        client = SupervisorClient(environment.state)
        names = [name for name in reversed([*units_of(await client.status())]) if name != "migrate"]
        await client.shutdown()
        if volumes:
            await asyncio.to_thread(shutil.rmtree, environment.state / "data", ignore_errors=True)
        return names

    async def logs(
        self, environment: Environment, sources: tuple[str, ...], *, since: str | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        """Yield the lines of `.salambot/core/logs/`, merged by time."""
        async for time, source, text in log_files.merge_by_time(
            environment.state / "logs", sources, since=since, follow=follow
        ):
            yield LogLine(time, source, text)

    async def tail(self, environment: Environment, part: str, count: int) -> Sequence[str]:
        """Return the last lines of a part's log file."""
        return await asyncio.to_thread(log_files.tail, environment.state / "logs" / f"{part}.log", count)

    async def run_job(
        self, environment: Environment, service: Service, argv: tuple[str, ...], hear: Hear, stdin: str | None = None
    ) -> StreamedResult:
        """Run a job as a process with the environment of a service."""
        running = await self.running(environment)
        environ = self._environ(
            _completed(as_running(environment, running), generated_secrets(environment.root)), service
        )
        return await run_streaming(_python(*argv), environ, hear, stdin=stdin, silence_s=JOB_SILENCE_SECONDS)


def _sharing(environment: Environment, program: Program) -> tuple[Program, ...]:
    """Return what runs in one process with a program, itself among them."""
    return environment.together if program in environment.together else (program,)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", module, *arguments)  # -P: a file of the user's must not shadow a module


def _url(environment: Environment, program: Program) -> str | None:
    return service_url(environment.ports[program])


async def _service(name: str, url: str | None, units: Mapping[str, object]) -> PartStatus:
    """Ask a service how it is; without a unit of ours, what answers at its address is another environment's."""
    if name not in units:
        return PartStatus(name, "down", url=url, detail="not started")
    return await service_part(name, url)


def _completed(environment: Environment, own: Mapping[str, Secret]) -> Environment:
    """Add what only this machine knows: addresses of the parts, the environment's own secrets. Ports are settled."""
    ports = {name: port for name, port in environment.ports.items() if isinstance(port, int)}
    given: dict[str, str | Secret] = {
        "JWT_JWKS": str(jwks_path(environment.root)),
        **{name: own[name] for name in ("INTERNAL_TOKEN",) if name in own},
        **{name: own[name] for name in OWN_UNLESS_GIVEN if name in own and environment.value(name) is None},
        **{
            f"{service.upper()}_URL": f"http://{LOOPBACK}:{ports[service]}"
            for service in SERVICES
            if service != "gateway" and service in ports
        },
    }
    if environment.placement("objects") == "local":
        given["OBJECTS_URL"] = objects_folder(environment).as_uri()
    if environment.placement("tunnel") != "none" and "ingress" in ports:
        given["INGRESS_PORT"] = str(ports["ingress"])
    if environment.placement("postgres") == "local" and "POSTGRES_PASSWORD" in own and "postgres" in ports:
        given["POSTGRES_URL"] = Secret(embedded.postgres_url(ports["postgres"], own["POSTGRES_PASSWORD"]))
    if environment.placement("redis") == "local" and "REDIS_PASSWORD" in own and "redis" in ports:
        given["REDIS_URL"] = Secret(embedded.redis_url(ports["redis"], own["REDIS_PASSWORD"]))
    given |= urls_with_ca(environment)
    return replace(environment, variables={**environment.variables, **_generated(given)})


def _own_password(environment: Environment) -> Secret:
    return existing_secrets(environment.root).get("REDIS_PASSWORD", Secret(""))


def _generated(values: Mapping[str, str | Secret]) -> dict[str, Variable]:
    return {name: Variable(name, value, "generated") for name, value in values.items()}
