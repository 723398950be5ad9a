"""local.*: what runs on this machine: ports, local components, services, metrics."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from salambot_cli.doctor.log_tail import shown
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok, unknown
from salambot_cli.host.ports import holder_of, is_free, is_free_on_ipv6
from salambot_cli.host.probe_http import request
from salambot_cli.host.projects import SERVER_MODULES, SUPERVISOR_MODULES
from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.model.topology import SERVICES
from salambot_cli.model.unit import ObservedStack, PartStatus
from salambot_cli.stack.choose_runtime import running_runtime

_STORES = ("postgres", "redis")
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("redis", "orchestrateur", "rag"),
    "orchestrateur": ("postgres", "redis", "nlu", "rag"),
    "nlu": (),
    "rag": ("postgres", "redis"),
}
_KEPT = (*SERVER_MODULES, *SUPERVISOR_MODULES)
"""Who listens for a service of runtime `process`: itself, and the supervisor that keeps its socket."""
_LINES = 5
_KILLED = ("137", "-9", "oom")


async def observed_of(exam: ProbeContext) -> ObservedStack | None:
    """Look at what really runs, once for each run; None where no runtime can look."""

    async def look() -> ObservedStack | None:
        try:
            return await _observe(exam.environment)
        except (SalamBotError, OSError, TimeoutError, ValueError):  # ValueError: a URL that does not parse
            return None

    return await exam.once("observed", look)


async def _observe(environment: Environment) -> ObservedStack:
    """Look at what runs, and again where a service did not answer well: on a loaded machine it is slow, and not broken.

    A state other than healthy stays as it was first seen: what keeps ending looks as if it only started.
    """
    runtime = running_runtime(environment)
    first = await runtime.observe(environment)
    if all(part.health in {"healthy", "starting", "down"} for part in first.services.values()):
        return first
    again = (await runtime.observe(environment)).services
    answers = {name: part for name, part in again.items() if part.health == "healthy"}
    services = {n: part if part.health == "down" else answers.get(n, part) for n, part in first.services.items()}
    return replace(first, services=services)


async def is_up(exam: ProbeContext) -> bool:
    """Return whether anything runs that `salambot up` started."""
    observed = await observed_of(exam)
    if observed is None:
        return False
    asked = read_state(exam.environment.root).asked_up
    return observed.supervisor_pid is not None or (asked and observed.status != "down")


async def gateway_url(exam: ProbeContext) -> str | None:
    """Return the gateway's base URL where a SalamBot gateway answers on its port."""
    port = ports_of(exam.environment).get("gateway")

    async def find() -> str | None:
        return f"http://127.0.0.1:{port}" if port and await _is_ours(exam, "gateway", port) else None

    return await exam.once("gateway", find)


def ports_of(environment: Environment) -> dict[str, int]:
    """Return the services' ports: as configured, or as the last `up` settled `auto`."""
    last = read_state(environment.root).ports
    ports: dict[str, int] = {}
    for name in SERVICES:
        port = environment.port(name)
        settled = last.get(name) if port == "auto" else port
        if isinstance(settled, int):
            ports[name] = settled
    return ports


@dataclass(frozen=True, slots=True)
class _Taken:
    service: str
    port: int
    pid: int | None
    command: str | None
    address: str = "127.0.0.1"


async def check_ports(exam: ProbeContext) -> list[Finding] | Finding:
    """Is each port free, or held by the service that belongs there?"""
    ours = await _own_pids(exam)
    taken = await asyncio.gather(*(_stranger(exam, name, port) for name, port in ports_of(exam.environment).items()))
    strangers = [t for t in taken if t is not None and (t.pid is None or t.pid not in ours)]
    if not strangers:
        return ok(
            "local.ports", "Every port is free or ours", ports=[str(p) for p in ports_of(exam.environment).values()]
        )
    return [_busy(stranger) for stranger in strangers]


async def _stranger(exam: ProbeContext, service: str, port: int) -> _Taken | None:
    if await asyncio.to_thread(is_free, port):
        if await asyncio.to_thread(is_free_on_ipv6, port):
            return None
        holder = await asyncio.to_thread(partial(holder_of, ipv6=True), port)
        return _Taken(service, port, holder.pid, holder.command, "[::1]")
    if await _is_ours(exam, service, port):
        return None
    holder = await asyncio.to_thread(holder_of, port)
    return _Taken(service, port, holder.pid, holder.command)


async def _is_ours(exam: ProbeContext, service: str, port: int) -> bool:
    """Return whether the service that belongs on a port answers there, and not that of another environment."""
    answer = await request("GET", f"http://127.0.0.1:{port}/health", proxies=False, seconds=2)
    body = answer.json()
    if not isinstance(body, dict) or body.get("service") != service:
        return False
    holder = await asyncio.to_thread(holder_of, port)
    command = holder.command or ""
    if any(module in command for module in _KEPT):
        return holder.pid in await _own_pids(exam)
    if not command or "docker-proxy" in command:  # Docker's proxy belongs to root, who may hide it
        return await is_up(exam)
    return True  # started by hand, as a debugger does


async def _own_pids(exam: ProbeContext) -> set[int | None]:
    observed = await observed_of(exam)
    return {observed.supervisor_pid, *(part.pid for part in observed.services.values())} if observed else set()


def _busy(taken: _Taken) -> Finding:
    who = f"pid {taken.pid} ({taken.command})" if taken.pid else "a process that only root can see"
    evidence: Facts = {
        "service": taken.service,
        "port": taken.port,
        "address": taken.address,
        "pid": taken.pid,
        "command": taken.command,
    }
    other = f'[ports] {taken.service} = "auto"'
    text = f"Let {taken.service} take another port ({other} in salambot.toml), or stop that process where it is yours."
    title = f"Port {taken.port} of {taken.service} is taken by {who}"
    if taken.address != "127.0.0.1":
        title = f"localhost:{taken.port} leads to {who} by IPv6, and not to {taken.service}"
    commands = (f"salambot up --port {taken.service}=auto", _look_command(taken))
    return fault("local.port-busy", "local.ports", title, evidence, commands, text=text)


def _look_command(taken: _Taken) -> str:
    """Return a command that shows whose process it is. Another's is never ended from here."""
    command = taken.command or ""
    if "docker-proxy" in command:
        return f"docker ps --filter publish={taken.port}"
    if not taken.pid:
        return f"sudo ss -ltnp 'sport = :{taken.port}'"
    return f"ls -l /proc/{taken.pid}/cwd" if any(m in command for m in _KEPT) else f"ps -fp {taken.pid}"


async def check_components(exam: ProbeContext) -> list[Finding] | Finding:
    """Do the local Postgres and Redis work?"""
    observed = await observed_of(exam)
    if observed is None:
        return unknown("local.components", "The runtime could not be asked what runs")
    local = [p for n, p in observed.components.items() if n in _STORES and p.placement == "local"]
    if not await is_up(exam):
        return _not_up(exam.environment)
    failed = [part for part in local if part.in_trouble]
    if failed:
        return [await _unhealthy(exam, part, "local.components") for part in failed]
    return ok("local.components", "The local databases work" if local else "No component is placed locally")


def _not_up(environment: Environment) -> Finding:
    state = read_state(environment.root)
    if not state.asked_up:
        return ok("local.components", "The environment is not started: `salambot up`", started=False)
    evidence: Facts = {"runtime": state.runtime, "logs": str(environment.state / "logs")}
    title = "Nothing runs, although `salambot up` was the last word"
    return fault("local.stack-down", "local.components", title, evidence, ("salambot up",), safe=True)


async def _unhealthy(exam: ProbeContext, part: PartStatus, check: str) -> Finding:
    lines = shown(await running_runtime(exam.environment).tail(exam.environment, part.name, _LINES))
    killed = any(word in part.detail.lower() for word in _KILLED)
    evidence: Facts = {
        "part": part.name,
        "health": part.health,
        "detail": part.detail,
        "kind": "out-of-memory" if killed else "failed",
        "log": lines,
    }
    text = f"Read the log of {part.name}, fix what it says, and start again."
    if killed:
        text = f"{part.name} was killed (137: out of memory): give it more memory (mem_limit), or close other programs."
    title = f"{part.name} is {part.health}" + (f": {part.detail}" if part.detail else "")
    commands = (f"salambot logs {part.name}", "salambot up")
    return fault("local.unhealthy", check, title, evidence, commands, text=text)


async def check_services(exam: ProbeContext) -> list[Finding] | Finding:
    """Does each service answer? One that only waits for another is a consequence."""
    observed = await observed_of(exam)
    if observed is None or not await is_up(exam):
        return ok("local.services", "The services are not started", started=False)
    bad = {n: p for n, p in observed.services.items() if p.in_trouble}
    if not bad:
        return ok("local.services", "The four services answer")
    shared = exam.environment.together if observed.runtime == "process" else ()
    ended = [name for name in shared if name in bad and bad[name].pid is None]
    roots = [name for name in bad if not _explained(name, bad) and name not in ended[1:]]
    findings = [await _unhealthy(exam, bad[name], "local.services") for name in roots]
    for name in bad.keys() - set(roots):
        waits = f"{name} waits for {', '.join(n for n in _NEEDS[name] if n in bad)}"
        title = f"{name} shares the process of {ended[0]}" if name in ended else waits
        findings.append(Finding("local.unhealthy", "local.services", "skipped", title, caused_by="local.unhealthy"))
    return findings


def _explained(name: str, bad: Mapping[str, PartStatus]) -> bool:
    """A service that answers, and says what it lacks, is no root; one that is down by itself is."""
    return bad[name].health == "degraded" and any(need in bad for need in _NEEDS[name])


async def check_metrics(exam: ProbeContext) -> Finding:
    """Is the gateway's /metrics exposition text?"""
    base = await gateway_url(exam)
    if base is None:
        return ok("metrics.exposed", "The gateway is not started", started=False)
    answer = await request("GET", f"{base}/metrics", proxies=False)
    if answer.status == 200 and ("# TYPE" in answer.text or "# HELP" in answer.text):
        return ok("metrics.exposed", "The gateway exposes metrics")
    evidence: Facts = {"url": f"{base}/metrics", "status": answer.status, "starts_with": answer.text[:40]}
    title = f"{base}/metrics is no exposition text"
    return fault(
        "metrics.missing", "metrics.exposed", title, evidence, (f"curl -s {base}/metrics", "salambot up gateway")
    )


def _service_needs(environment: Environment) -> tuple[str, ...]:
    cloud = {"postgres": "rds.schema", "redis": "redis.access"}
    waits = [probe for name, probe in cloud.items() if environment.placements[name] == "cloud"]  # type: ignore[index] # both are components
    return ("local.components", *waits)


_GROUP = "local"
PROBES = (
    Probe(
        "local.ports",
        _GROUP,
        "Ports",
        check_ports,
        ("local.port-busy",),
        ("config.parse",),
        cheap=True,
        preflight=True,
        parts=SERVICES,
    ),
    Probe(
        "local.components",
        _GROUP,
        "Local databases",
        check_components,
        ("local.unhealthy", "local.stack-down"),
        (),
        cheap=True,
        parts=_STORES,
        after=("local.ports", "local.docker", "local.disk", "local.state"),
    ),
    Probe(
        "local.services",
        _GROUP,
        "Services",
        check_services,
        ("local.unhealthy",),
        (),
        cheap=True,
        parts=SERVICES,
        after=_service_needs,
    ),
    Probe("metrics.exposed", _GROUP, "Metrics", check_metrics, ("metrics.missing",), after=("local.services",)),
)
