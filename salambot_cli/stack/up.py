"""`up` from its request to its summary."""

import asyncio
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from rich.markup import escape

from salambot_cli.config.pull_secrets import pull
from salambot_cli.config.validate import Missing, missing_variables, validate
from salambot_cli.host.browser import open_page
from salambot_cli.host.lock import environment_lock
from salambot_cli.host.state_file import read_state, write_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.environment_folder import OWN
from salambot_cli.model.errors import ConfigurationError, ExitStatus, SalamBotError
from salambot_cli.model.plan import Plan, PlannedStep
from salambot_cli.model.topology import SERVICES
from salambot_cli.model.unit import ObservedStack
from salambot_cli.stack.choose_runtime import choose_runtime
from salambot_cli.stack.console import console_url
from salambot_cli.stack.converge import Convergence
from salambot_cli.stack.logs import show_logs
from salambot_cli.stack.observe import survey
from salambot_cli.stack.output import (
    LiveReporter,
    change_document,
    components_document,
    parts_view,
    services_document,
    step_document,
)
from salambot_cli.stack.plans import describe
from salambot_cli.stack.runtimes.base import Runtime
from salambot_cli.stack.supervisor_client import SupervisorClient
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.interrupts import on_force_quit
from salambot_cli.terminal.output import Output
from salambot_cli.tunnel.open_tunnel import TUNNEL, close_tunnel
from salambot_cli.tunnel.steps import show_callbacks

_LOCK_WAIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class UpRequest:
    """The options of `salambot up`."""

    services: tuple[str, ...] = ()
    seed: bool | None = None
    timeout_s: float = 600
    foreground: bool = False
    open_browser: bool = False
    flags: Mapping[str, object] = field(default_factory=dict)
    """The options of the command line, by dotted key."""


async def start_stack(session: Output, environment: Environment, request: UpRequest, began: float) -> None:
    """Start the stack and show it.

    Raises:
        SalamBotError: what failed; what this run changed is undone by then.
    """
    runtime = await _chosen_runtime(session, environment, request)
    with _nothing_left(environment.state), environment_lock(environment.root, "up", wait_seconds=_LOCK_WAIT_SECONDS):
        reporter = LiveReporter(session)
        run = Convergence(runtime, reporter, request.services, request.seed, request.flags)
        on_force_quit(lambda: runtime.abandon(environment))
        try:
            with reporter:
                await _within(run, environment, request.timeout_s)
        finally:
            _show_notes(session, runtime)
        observed = await runtime.observe(run.environment or environment)
    _show_ready(session, environment, run, observed, began)
    if request.open_browser:
        open_page(f"{observed.services['gateway'].url}/console")
    if request.foreground:
        await _stay(session, runtime, environment)


async def show_plan(session: Output, environment: Environment, request: UpRequest) -> ExitStatus:
    """Print what `up` would start, restart, keep and stop, and why; USAGE where variables are missing."""
    runtime = await _chosen_runtime(session, environment, request)
    missing = tuple(missing_variables(environment))
    if not missing:
        validate(environment)
    environment, note = await _with_secrets(environment, missing=bool(missing))
    found = await survey(environment, runtime, request.services)
    steps = describe(found, seed=request.seed)
    if session.machine:
        session.document(_plan_document(runtime, environment, found.plan, steps, missing))
        return ExitStatus.USAGE if missing else ExitStatus.DONE
    if note:
        session.say(f"[yellow]{escape(note)}[/]")
    for change in found.plan.changes:
        words = translate(change.because)
        session.result(f"{translate(change.action):<10} {change.part:<15} [dim]{escape(words)}[/]".rstrip())
    for variable in missing:
        needed = f"{variable.name} is missing: {variable.component} = {variable.placement} needs it"
        session.result(f"[red]{translate('missing'):<10}[/] {escape(translate(needed))}")
    return ExitStatus.USAGE if missing else ExitStatus.DONE


async def _with_secrets(environment: Environment, *, missing: bool) -> tuple[Environment, str]:
    """Read the secrets of a vault for a plan; where they cannot be read, say that it does not know them."""
    if missing or environment.placement("secrets") != "aws":
        return environment, ""
    try:
        return (await asyncio.to_thread(pull, environment)).environment, ""
    except SalamBotError as error:
        return environment, f"the secrets were not read ({error.what}): the plan does not know them"


async def _chosen_runtime(session: Output, environment: Environment, request: UpRequest) -> Runtime:
    _known_services(request.services)
    choice = await choose_runtime(environment)
    named = "" if environment.name == OWN else f" · environment {environment.name}"
    what = f"topology {', '.join(environment.topology)} · tenant {environment.tenant}{named}"
    session.say(f"[dim]{choice.why} · {what}[/]")
    return choice.runtime


@contextmanager
def _nothing_left(state: Path) -> Iterator[None]:
    """Forget, after an interrupt, a state folder that did not exist before this run; a failure's logs are kept."""
    existed = state.exists()
    try:
        yield
    except asyncio.CancelledError:
        if not existed:
            shutil.rmtree(state, ignore_errors=True)
        raise


async def keep_tunnel_open(session: Output, environment: Environment, request: UpRequest, began: float) -> None:
    """Show the public URL of a stack; where no tunnel is open, open one until an interrupt."""
    client = SupervisorClient(environment.state)
    running = await client.status()
    known = read_state(environment.root).public_url
    if running is not None and known and TUNNEL in cast("dict[str, object]", running["units"]):
        if session.machine:
            session.document({"status": "open", "public_url": known})
        else:
            show_callbacks(session, environment, known)
        return
    await start_stack(session, environment, request, began)
    session.say("[dim]Ctrl-C closes the tunnel.[/]")
    try:
        await asyncio.Event().wait()
    finally:
        await close_tunnel(environment.state)
        write_state(environment.root, replace(read_state(environment.root), public_url=None))


async def _within(run: Convergence, environment: Environment, seconds: float) -> None:
    work = asyncio.create_task(run.complete(environment))
    try:
        done, _ = await asyncio.wait({work}, timeout=seconds)
        if not done:
            waiting = ", ".join(run.unfinished)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise SalamBotError(
                f"not ready after {seconds:.0f} s",
                f"still to come: {waiting}",
                "salambot up --timeout 600; salambot doctor",
            )
        await work
    except asyncio.CancelledError:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        raise


def _known_services(names: tuple[str, ...]) -> None:
    from salambot_cli.config.schema import nearest

    for name in names:
        if name not in SERVICES:
            raise ConfigurationError(
                f"there is no service {name}{nearest(name, SERVICES)}",
                f"the services are {', '.join(SERVICES)}",
                "salambot up",
            )


def _plan_document(
    runtime: Runtime, environment: Environment, plan: Plan, steps: tuple[PlannedStep, ...], missing: tuple[Missing, ...]
) -> dict[str, object]:
    return {
        "status": "planned",
        "runtime": runtime.name,
        "topology": list(environment.topology),
        "tenant": environment.tenant,
        "services": {},
        "components": {name: {"placement": placement} for name, placement in environment.placements.items()},
        "public_url": None,
        "plan": [change_document(change) for change in plan.changes],
        "missing": [{"name": m.name, "component": m.component, "placement": m.placement} for m in missing],
        "steps": [
            {"id": step.id, "status": "planned", "title": step.title, "needs": list(step.needs)} for step in steps
        ],
        "duration_ms": 0,
    }


def _show_notes(session: Output, runtime: Runtime) -> None:
    from rich.text import Text

    for note in runtime.notes:
        session.event("note", {"text": note})
        session.say(Text(note, style="yellow"))


def _show_ready(
    session: Output, environment: Environment, run: Convergence, observed: ObservedStack, began: float
) -> None:
    duration = round((time.monotonic() - began) * 1000)
    if session.machine:
        session.document(
            {
                "status": "ready",
                "runtime": run.runtime.name,
                "topology": list(environment.topology),
                "tenant": environment.tenant,
                "services": services_document(observed),
                "components": components_document(observed),
                "public_url": run.public_url,
                "steps": [step_document(result) for result in run.results],
                "duration_ms": duration,
            }
        )
        return
    session.say(parts_view(observed))
    if run.public_url:
        show_callbacks(session, environment, run.public_url)
    session.say(f"[bold green]Ready[/] in {duration / 1000:.1f} s. Try next:")
    for command, does in (
        (console_url(environment), "look at it and talk to it in the browser"),
        ('salambot chat "C\'est quoi votre politique de remboursement ?"', "talk to it"),
        ("salambot smoke", "test it"),
        ("salambot down", "stop it"),
    ):
        session.say(f"  [bold]{command}[/]  [dim]{translate(does)}[/]")


async def _stay(session: Output, runtime: Runtime, environment: Environment) -> None:
    session.say("[dim]Ctrl-C stops everything.[/]")
    try:
        await show_logs(session, runtime, environment, (), since=None, follow=True, pattern=None)
    finally:
        await runtime.stop(environment, volumes=False, prune=False)
