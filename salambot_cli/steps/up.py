"""`up` from its request to its summary."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, SalamBotError
from salambot_cli.model.topology import SERVICES
from salambot_cli.model.unit import Observed
from salambot_cli.outside.browser import open_page
from salambot_cli.outside.console import Session
from salambot_cli.outside.interrupts import on_second_signal
from salambot_cli.outside.language import translate
from salambot_cli.outside.lock import exclusive
from salambot_cli.outside.state import read_state, write_state
from salambot_cli.runtimes.choose import choose_runtime
from salambot_cli.runtimes.client import SupervisorClient
from salambot_cli.runtimes.tunnel import TUNNEL, close_tunnel
from salambot_cli.steps.base import Run
from salambot_cli.steps.execute import Execution
from salambot_cli.steps.logs import show_logs
from salambot_cli.steps.plans import describe, plan_up
from salambot_cli.steps.pull import PullSecrets
from salambot_cli.steps.records import record
from salambot_cli.steps.show import LiveReporter, components_document, parts_table, services_document, step_document
from salambot_cli.steps.tunnel import show_callbacks

_LOCK_WAIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class UpRequest:
    """The options of `salambot up`."""

    services: tuple[str, ...] = ()
    seed: bool | None = None
    dry_run: bool = False
    timeout_s: float = 600
    foreground: bool = False
    open_browser: bool = False


async def bring_up(session: Session, environment: Environment, request: UpRequest, began: float) -> None:
    """Start the stack and show it.

    Raises:
        SalamBotError: what failed; this run's steps are undone by then.
    """
    _known_services(request.services)
    choice = await choose_runtime(environment)
    session.say(f"[dim]{choice.why} · topology {', '.join(environment.topology)} · tenant {environment.tenant}[/]")
    run = Run(environment, choice.runtime, seed=request.seed)
    if request.dry_run:
        await _show_plan(session, run, request)
        return
    with _nothing_left(environment.state), exclusive(environment.root, "up", wait_seconds=_LOCK_WAIT_SECONDS):
        execution = Execution(await plan_up(run, request.services), run, reporter := LiveReporter(session))
        on_second_signal(lambda: _kill_supervisor(run.environment))
        try:
            with reporter:
                await _within(execution, request.timeout_s)
        finally:
            _show_notes(session, run)
            await _record_reading(run, execution)
        observed = await run.runtime.observe(run.environment)
    _show_ready(session, run, observed, execution, began)
    if request.open_browser:
        open_page(f"{observed.services['gateway'].url}/console")
    if request.foreground:
        await _stay(session, run)


async def _record_reading(run: Run, execution: Execution) -> None:
    """Leave a record of the secrets that were read, or refused; of a start that failed later too."""
    for result in execution.results:
        if result.id == PullSecrets.id and result.status != "skipped":
            await record(run.environment, "secret.read", result.status)


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


async def hold_tunnel(session: Session, environment: Environment, request: UpRequest, began: float) -> None:
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
    await bring_up(session, environment, request, began)
    session.say("[dim]Ctrl-C closes the tunnel.[/]")
    try:
        await asyncio.Event().wait()
    finally:
        await close_tunnel(environment.state)
        write_state(environment.root, replace(read_state(environment.root), public_url=None))


async def _within(execution: Execution, seconds: float) -> None:
    work = asyncio.create_task(execution.complete())
    try:
        done, _ = await asyncio.wait({work}, timeout=seconds)
        if not done:
            waiting = ", ".join(result.id for result in execution.results if result.status == "skipped")
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
    from salambot_cli.model.config import nearest

    for name in names:
        if name not in SERVICES:
            raise ConfigurationError(
                f"there is no service {name}{nearest(name, SERVICES)}",
                f"the services are {', '.join(SERVICES)}",
                "salambot up",
            )


async def _show_plan(session: Session, run: Run, request: UpRequest) -> None:
    planned = describe(await plan_up(run, request.services))
    if session.machine:
        environment = run.environment
        session.document(
            {
                "status": "planned",
                "runtime": run.runtime.name,
                "topology": list(environment.topology),
                "tenant": environment.tenant,
                "services": {},
                "components": {name: {"placement": placement} for name, placement in environment.placements.items()},
                "public_url": None,
                "steps": [
                    {"id": step.id, "status": "planned", "title": step.title, "needs": list(step.needs)}
                    for step in planned
                ],
                "duration_ms": 0,
            }
        )
        return
    after = translate("after")
    for step in planned:
        waits = f"  [dim]{after} {', '.join(step.needs)}[/]" if step.needs else ""
        session.result(f"{step.id:<22} {translate(step.title)}{waits}")


def _show_notes(session: Session, run: Run) -> None:
    from rich.text import Text

    for note in run.runtime.notes:
        session.event("note", {"text": note})
        session.say(Text(note, style="yellow"))


def _show_ready(session: Session, run: Run, observed: Observed, execution: Execution, began: float) -> None:
    duration = round((time.monotonic() - began) * 1000)
    if session.machine:
        session.document(
            {
                "status": "ready",
                "runtime": run.runtime.name,
                "topology": list(run.environment.topology),
                "tenant": run.environment.tenant,
                "services": services_document(observed),
                "components": components_document(observed),
                "public_url": run.public_url,
                "steps": [step_document(result) for result in execution.results],
                "duration_ms": duration,
            }
        )
        return
    session.say(parts_table(observed))
    if run.public_url:
        show_callbacks(session, run.environment, run.public_url)
    session.say(f"[bold green]Ready[/] in {duration / 1000:.1f} s. Try next:")
    for command, does in (
        ('salambot chat "C\'est quoi votre politique de remboursement ?"', "talk to it"),
        ("salambot smoke", "test it"),
        ("salambot down", "stop it"),
    ):
        session.say(f"  [bold]{command}[/]  [dim]{translate(does)}[/]")


async def _stay(session: Session, run: Run) -> None:
    session.say("[dim]Ctrl-C stops everything.[/]")
    try:
        await show_logs(session, run.runtime, run.environment, (), since=None, follow=True, pattern=None)
    finally:
        await run.runtime.stop(run.environment, volumes=False, prune=False)


def _kill_supervisor(environment: Environment) -> None:
    """Kill without waiting; the kernel ends the children with their supervisor."""
    import contextlib
    import json

    with contextlib.suppress(OSError, ValueError, KeyError):
        pid = json.loads((environment.state / "run" / "supervisor.lock").read_text())["pid"]
        os.kill(int(pid), signal.SIGKILL)
