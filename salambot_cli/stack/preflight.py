"""Everything that can be known before the first change, in one report."""

import asyncio
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from salambot_cli.config.endpoints import ca_bundle
from salambot_cli.config.validate import validate
from salambot_cli.host.files import permissions_problem
from salambot_cli.host.ports import PortHolder, holder_of, is_free, leads_elsewhere
from salambot_cli.host.projects import project_of
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import PrerequisiteError, SalamBotError
from salambot_cli.model.plan import Plan, Running, WantedPart
from salambot_cli.render.compose import LOCAL_PARTS
from salambot_cli.stack.choose_runtime import other_running_runtime
from salambot_cli.stack.observe import Survey, survey
from salambot_cli.stack.runtimes.base import Runtime
from salambot_cli.stack.runtimes.store_checks import redis_cluster_problem


@dataclass(frozen=True, slots=True)
class TakenPort:
    """A port that a part needs and somebody else has."""

    name: str
    holder: PortHolder
    project: Path | None = None
    """The folder of the SalamBot project that has it, where it is one."""


async def check_start(environment: Environment, runtime: Runtime, only: tuple[str, ...]) -> Survey:
    """Return what would be done, unless something stands in the way.

    Raises:
        SalamBotError: one report of everything that does. Nothing is changed.
    """
    validate(environment)
    await _refuse_second_stack(environment, runtime)
    problems = _file_problems(environment) + await runtime.check(environment)
    if problems:  # what runs and what describes a part may not be had then
        _raise(await _taken_of_any_part(environment, runtime) + problems)
    running = await runtime.running(environment)
    _refuse_newer_release(running)
    running = await runtime.confirm(environment, running)
    found = await survey(environment, runtime, only, running=running)
    taken = await find_taken_ports(found.wanted, found.plan, running)
    problems += await asyncio.to_thread(_credentials_problem, environment)
    problems += await redis_cluster_problem(environment)
    problems += _tunnel_problem(environment, found, alone=not problems and not taken)
    _refuse_other_project(taken, problems)
    if problems := [describe_taken(port, running) for port in taken] + problems:
        _raise(problems)
    runtime.notes += [
        f"another program answers on [::1]:{port}, where browsers go for localhost: open http://127.0.0.1:{port}"
        for name, port in found.wanted["gateway"].ports.items()
        if name == "gateway" and leads_elsewhere(port)
    ]
    return found


async def _taken_of_any_part(environment: Environment, runtime: Runtime) -> list[str]:
    """Describe each port that is taken, as far as parts can be described on this machine."""
    try:
        running = await runtime.running(environment)
        wanted = await asyncio.to_thread(runtime.wanted, runtime.settle(environment, running))
    except SalamBotError:  # what is missing is reported
        return []
    taken = await _find_holders({name: port for part in wanted.values() for name, port in part.ports.items()}, running)
    return [describe_taken(port, running) for port in taken]


def _raise(problems: list[str]) -> None:
    lines = "\n".join(f"- {problem}" for problem in problems)
    raise PrerequisiteError("this machine is not ready", lines, "fix the items above, then: salambot up")


async def _refuse_second_stack(environment: Environment, runtime: Runtime) -> None:
    """Refuse to start beside what runs in the other runtime, whose ports and data are others."""
    running = await other_running_runtime(environment, runtime.name)
    if running:
        raise SalamBotError(
            f"this environment runs already, but not in runtime {runtime.name}",
            f"still running: {', '.join(sorted(running))}",
            f"salambot down; salambot up --runtime {runtime.name}",
        )


def _refuse_newer_release(running: Running) -> None:
    if running.origin == "newer":
        raise SalamBotError(
            "a later release of SalamBot started this stack",
            "this one does not know how to change it, and has touched nothing",
            "salambot down; salambot up   # or use the later release",
        )


def _file_problems(environment: Environment) -> list[str]:
    files = {f"the CA bundle of {part}": ca_bundle(environment, part) for part in LOCAL_PARTS}
    unreadable = [
        f"{name}, {path}, cannot be read: ls -l {shlex.quote(str(path))}"
        for name, path in files.items()
        if path is not None and not os.access(path, os.R_OK)
    ]
    return unreadable + permissions_problem(environment.project)


def _tunnel_problem(environment: Environment, found: Survey, *, alone: bool) -> list[str]:
    """Say why the tunnel cannot be opened. One that only a preset asks for is done without, with a word."""
    error = found.tunnel_problem
    if error is None or environment.layers.get("placement.tunnel") == "preset":
        return []
    if alone:
        raise error
    return [f"{error.what} ({error.why}): {error.fix}"]


async def find_taken_ports(wanted: Mapping[str, WantedPart], plan: Plan, running: Running) -> list[TakenPort]:
    """Find the ports that parts to be started need and that anything but this stack has."""
    changed = [wanted[change.part] for change in plan.changes if change.action in {"start", "restart"}]
    return await _find_holders({name: port for part in changed for name, port in part.ports.items()}, running)


async def _find_holders(ports: Mapping[str, int], running: Running) -> list[TakenPort]:
    ours = {*running.ports.values()}
    needed = {name: port for name, port in ports.items() if port not in ours and not is_free(port)}
    holders = await asyncio.gather(*(asyncio.to_thread(holder_of, port) for port in needed.values()))
    projects = await asyncio.gather(*map(project_of, holders))
    return [TakenPort(*found) for found in zip(needed, holders, projects, strict=True)]


def describe_taken(taken: TakenPort, running: Running | None = None) -> str:
    """Name the holder of a port, and the ways out."""
    name, holder = taken.name, taken.holder
    who = f"pid {holder.pid} ({holder.command})" if holder.pid else "a process that only root can see"
    runs = running.ports.get(name) if running else None
    stays = f"; {name} runs on at {runs}: salambot up --port {name}={runs} leaves it there" if runs else ""
    return (
        f"port {holder.port} of {name} is taken by {who}: kill {holder.pid or 'it'}, "
        f'or pick another: salambot up --port {name}=auto (in salambot.toml: [ports] {name} = "auto"){stays}'
    )


def _refuse_other_project(taken: list[TakenPort], problems: list[str]) -> None:
    """Say in one line that another project runs: the ports are all its own."""
    folders = {port.project for port in taken}
    if problems or len(folders) != 1 or None in folders:
        return
    folder = next(str(folder) for folder in folders)
    ports = ", ".join(sorted(str(port.holder.port) for port in taken))
    raise PrerequisiteError(
        f"another SalamBot project runs on these ports: {folder}",
        f"it has {ports}",
        f"salambot down --project {shlex.quote(folder)}, or salambot up --ports auto",
    )


def _credentials_problem(environment: Environment) -> list[str]:
    """Say when a component stands in AWS and no credentials are found; whether AWS takes them is seen later."""
    if environment.placement("objects") != "s3" and environment.placement("secrets") != "aws":
        return []
    from salambot_cli.aws.clients import AwsError, aws_clients

    try:
        found = aws_clients(environment).credentials()
    except AwsError as failure:
        return [f"no AWS credentials ({failure.message}): aws sso login, or aws configure"]
    return [] if found else ["no AWS credentials in the environment, .env or ~/.aws: aws configure sso"]
