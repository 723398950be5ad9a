"""Runtime `process`: plain supervised processes and embedded servers, for a machine without Docker."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal, cast

from salambot_cli.catalog.endpoints import urls_with_ca
from salambot_cli.catalog.services import variables_for
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS, SERVICES, Component, Program, Service
from salambot_cli.model.unit import Health, Observed, Part, Readiness, Unit
from salambot_cli.outside import logs as log_files
from salambot_cli.outside.attached import Followed, Hear, follow
from salambot_cli.outside.files import private_folder, unwritable
from salambot_cli.outside.interrupts import to_the_end, uninterrupted
from salambot_cli.outside.keys import OWN_UNLESS_GIVEN, generated_secrets, identity_provider
from salambot_cli.outside.ports import LOOPBACK
from salambot_cli.runtimes import embedded
from salambot_cli.runtimes.base import JOB_SILENCE_S, LogLine, StartResult, objects_folder
from salambot_cli.runtimes.client import SupervisorClient, python_environment
from salambot_cli.runtimes.components import component_parts, service_part, tested
from salambot_cli.runtimes.host import disk_problem, last_ports, settle_ports, taken_ports

_NEEDED_BYTES = 200 * 1024 * 1024
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
        self._launching = asyncio.Lock()

    def parts(self, environment: Environment) -> Mapping[str, tuple[str, ...]]:
        """Return the graph of what runs here: only components that are placed locally."""
        local = [name for name in _LOCAL_STORES if environment.placements[name] == "local"]  # type: ignore[index] # both are components
        graph: dict[str, tuple[str, ...]] = dict.fromkeys(local, ())
        graph["migrate"] = tuple(name for name in local if name == "postgres")
        for program in PROGRAMS:
            needs = dict.fromkeys(need for name in _sharing(environment, program) for need in _SEES[name])
            graph[program] = tuple(need for need in needs if need in graph)
        return graph

    async def partners(self, environment: Environment) -> Mapping[str, tuple[str, ...]]:
        """Return the services of `together`, and of one process that runs: each part with all of them."""
        running = await SupervisorClient(environment.state).status()
        units = cast("dict[str, dict[str, object]]", running["units"]) if running else {}
        pids = {name: units[name]["pid"] for name in SERVICES if name in units and units[name]["pid"]}
        found: dict[str, tuple[str, ...]] = {}
        for service in SERVICES:
            beside = (name for name in pids if service in pids and pids[name] == pids[service])
            found[service] = tuple(dict.fromkeys((*_sharing(environment, service), *beside)))
        return found

    async def check(self, environment: Environment) -> list[str]:
        """Return taken ports and a full disk."""
        running = await SupervisorClient(environment.state).status()
        ours = {str(name) for name in cast("dict[str, object]", running["units"])} if running else set()
        problems = taken_ports(environment, self.parts(environment), ours) + disk_problem(environment, _NEEDED_BYTES)
        if environment.aws.jump is not None:
            # Without a container there is no place where the real host name could lead to the forward.
            problems.append("[aws] jump leads containers into the VPC, not processes: salambot up --runtime compose")
        return problems

    async def prepare(self, environment: Environment) -> Environment:
        """Settle ports, make the environment's own secrets and keys, initialise the local database."""
        own = await to_the_end(generated_secrets, environment.root)
        jwks = await to_the_end(identity_provider, environment.root)
        settled = await self._settle_ports(environment)
        ports = {name: cast("int", port) for name, port in settled.ports.items()}
        private_folder(environment.state / "data")
        _make_folder(objects_folder(environment))
        given: dict[str, str | Secret] = {
            "INTERNAL_TOKEN": own["INTERNAL_TOKEN"],
            "JWT_JWKS": str(jwks),
            "OBJECTS_URL": objects_folder(environment).as_uri(),
            **{
                f"{service.upper()}_URL": f"http://{LOOPBACK}:{ports[service]}"
                for service in SERVICES
                if service != "gateway"
            },
        }
        for name in OWN_UNLESS_GIVEN:
            if settled.value(name) is None:
                given[name] = own[name]
        if environment.placement("tunnel") != "none":
            given["INGRESS_PORT"] = str(ports["ingress"])
        if environment.placement("postgres") == "local":
            data = environment.state / "data" / "postgres"
            await embedded.initialise_postgres(data, own["POSTGRES_PASSWORD"], own["POSTGRES_ADMIN_PASSWORD"])
            given["POSTGRES_URL"] = Secret(embedded.postgres_url(ports["postgres"], own["POSTGRES_PASSWORD"]))
        if environment.placement("redis") == "local":
            given["REDIS_URL"] = Secret(embedded.redis_url(ports["redis"], own["REDIS_PASSWORD"]))
        given |= urls_with_ca(settled, str(environment.postgres_ca), str(environment.redis_ca))
        if environment.placement("objects") == "s3":
            del given["OBJECTS_URL"]
        return replace(settled, variables={**settled.variables, **_generated(given)})

    async def _settle_ports(self, environment: Environment) -> Environment:
        """Replace `auto` by the port of last time if it is ours or free, else by a free one."""
        running = await SupervisorClient(environment.state).status()
        ours = set(cast("dict[str, object]", running["units"])) if running else set()
        return settle_ports(environment, ours)

    async def start(self, environment: Environment, part: str) -> StartResult:
        """Start one part under the supervisor, which is started first if there is none."""
        client = SupervisorClient(environment.state)
        async with self._launching:
            await uninterrupted(self._launch(client))
        unit = await to_the_end(self._unit, environment, part)
        result = cast("StartResult", await client.ensure(unit))
        if result == "unchanged" and await self._hangs(environment, part):
            await client.stop(part)
            await client.ensure(unit)
            return "restarted"
        return result

    async def _launch(self, client: SupervisorClient) -> None:
        self._launched = await client.launch() or self._launched

    async def _hangs(self, environment: Environment, part: str) -> bool:
        """Tell whether a part that runs does not answer, twice; one that only misses another is not at fault."""
        for _ in range(2):
            if part in _LOCAL_STORES:
                health, _why = await tested(environment, cast("Component", part))
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
            password = generated_secrets(environment.root)["REDIS_PASSWORD"]
            return embedded.redis_unit(data / "redis", port, password)
        if part == "migrate":
            return Unit(
                "migrate",
                _python("salambot.jobs.migrate"),
                Readiness("exit", seconds=120),
                environ=self._environ(environment, "orchestrateur"),
            )
        return self._program_unit(environment, _sharing(environment, cast("Program", part)))

    def _program_unit(self, environment: Environment, programs: tuple[Program, ...]) -> Unit:
        """Return the process of a program, or of several services that share one."""
        ports = [cast("int", environment.ports[name]) for name in programs]
        words = ("salambot.worker",) if programs == ("worker",) else ("salambot.serve", *programs)
        options = [word for port in ports for word in ("--port", str(port))]
        environs = [self._environ(environment, name) for name in programs]
        return Unit(
            name="+".join(programs),
            listen=() if programs == ("worker",) else tuple(ports),
            argv=_python(*words, "--host", LOOPBACK, *options),
            readiness=Readiness("http", " ".join(f"http://{LOOPBACK}:{port}/health/ready" for port in ports), 60),
            environ={name: value for environ in environs for name, value in environ.items()},
            parts=programs if len(programs) > 1 else (),
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

    async def undo(self, environment: Environment, parts: tuple[str, ...]) -> None:
        """Stop what this run started; a supervisor that this run launched ends too."""
        client = SupervisorClient(environment.state)
        if self._launched:
            await client.shutdown()
        else:
            await client.stop(*parts)

    async def observe(self, environment: Environment) -> Observed:
        """Ask the supervisor for pids, and every service and component for itself."""
        running = await SupervisorClient(environment.state).status()
        units = cast("dict[str, dict[str, object]]", running["units"]) if running else {}
        seen = await self._see_ports(environment, units)
        *services, worker = await asyncio.gather(*(_service(name, _url(seen, name), units) for name in PROGRAMS))
        components = await component_parts(seen)
        return Observed(
            runtime="process",
            services={part.name: _with_unit(part, units.get(part.name)) for part in services},
            components={part.name: _with_unit(part, units.get(part.name)) for part in components},
            worker=_with_unit(worker, units.get("worker")),
            supervisor_pid=cast("int", running["pid"]) if running else None,
        )

    async def _see_ports(self, environment: Environment, units: Mapping[str, object]) -> Environment:
        seen = last_ports(environment)
        if not units or not (environment.state / "keys").is_dir():
            return seen
        return await self.prepare(seen)

    async def stop(self, environment: Environment, *, volumes: bool, prune: bool) -> list[str]:
        """Stop the supervisor and all it holds. `prune` has nothing to remove: there are no images here."""
        del prune
        client = SupervisorClient(environment.state)
        running = await client.status()
        units = cast("dict[str, object]", running["units"]) if running else {}
        names = [name for name in reversed([*units]) if name != "migrate"]
        await client.shutdown()
        if volumes:
            await asyncio.to_thread(shutil.rmtree, environment.state / "data", ignore_errors=True)
        return names

    async def logs(
        self, environment: Environment, sources: tuple[str, ...], *, since: str | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        """Yield the lines of `.salambot/logs/`, merged by time."""
        async for time, source, text in log_files.merged(
            environment.state / "logs", sources, since=since, follow=follow
        ):
            yield LogLine(time, source, text)

    async def tail(self, environment: Environment, part: str, count: int) -> Sequence[str]:
        """Return the last lines of a part's log file."""
        return await asyncio.to_thread(log_files.tail, environment.state / "logs" / f"{part}.log", count)

    async def run_job(
        self, environment: Environment, service: Service, argv: tuple[str, ...], hear: Hear, stdin: str | None = None
    ) -> Followed:
        """Run a job as a process with the environment of a service."""
        prepared = await self._see_ports(environment, {"any": True})
        environ = self._environ(prepared, service)
        return await follow(_python(*argv), environ, hear, stdin=stdin, silence_s=JOB_SILENCE_S)


def _sharing(environment: Environment, program: Program) -> tuple[Program, ...]:
    """Return what runs in one process with a program, itself among them."""
    return environment.together if program in environment.together else (program,)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", module, *arguments)  # -P: a file of the user's must not shadow a module


def _url(environment: Environment, program: Program) -> str | None:
    port = environment.ports[program]
    return f"http://localhost:{port}" if port != "auto" else None


async def _service(name: str, url: str | None, units: Mapping[str, object]) -> Part:
    """Ask a service how it is; without a unit of ours, what answers at its address is another environment's."""
    if name not in units:
        return Part(name, "down", url=url, detail="not started")
    return await service_part(name, url)


def _with_unit(part: Part, facts: Mapping[str, object] | None) -> Part:
    if facts is None:
        return part
    health: Health = "unhealthy" if facts["state"] == "failed" else part.health
    since = datetime.fromisoformat(str(facts["since"])) if facts["since"] else None
    return replace(
        part,
        pid=cast("int | None", facts["pid"]),
        since=since,
        health=health,
        detail=str(facts["detail"]) or part.detail,
    )


def _generated(values: Mapping[str, str | Secret]) -> dict[str, Variable]:
    return {name: Variable(name, value, "generated") for name, value in values.items()}


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
